# The Lambdas as container images, one target each, from the root of the project:
#     docker build -f docker/lambda.Dockerfile --target forwarder -t vpcflow-forwarder .
# The targets differ in their handler; that of the forwarder reads Parquet, too. docs/containers.md says the rest.
ARG BASE=public.ecr.aws/lambda/python:3.13

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# ---- the packages of the zip files, by the same lock ----
FROM build AS packages
COPY requirements/lambda.txt ./
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -m pip install --no-deps --require-hashes --only-binary=:all: --target /packages -r lambda.txt

# ---- Parquet, which is too large for a zip file ----
FROM build AS parquet
COPY requirements/parquet.txt ./
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -m pip install --no-deps --require-hashes --only-binary=:all: --target /packages -r parquet.txt

# ---- our code, compiled: a function cannot write what it compiles, and would do it again at each cold start ----
FROM build AS code
COPY LICENSE /code/
COPY vpcflow /code/vpcflow/
COPY firehose_transform /code/firehose_transform/
COPY forwarder /code/forwarder/
# Functions run as a user that is nobody's: whatever the umask of the checkout was, all may be read.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /code \
 && chmod -R a+rX /code

FROM ${BASE} AS function
ARG BASE
ARG VERSION=0.1.0
ARG REVISION=""
ARG SOURCE=""
LABEL org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="${BASE}"
COPY --from=packages /packages ${LAMBDA_TASK_ROOT}/

FROM function AS transform
LABEL org.opencontainers.image.title="vpcflow-transform"
COPY --from=code /code ${LAMBDA_TASK_ROOT}/
CMD ["firehose_transform.handler.handler"]

FROM function AS receiver
LABEL org.opencontainers.image.title="vpcflow-receiver"
COPY --from=code /code ${LAMBDA_TASK_ROOT}/
CMD ["vpcflow.receiver.function_url.handler"]

FROM function AS forwarder
LABEL org.opencontainers.image.title="vpcflow-forwarder"
COPY --from=parquet /packages ${LAMBDA_TASK_ROOT}/
COPY --from=code /code ${LAMBDA_TASK_ROOT}/
CMD ["forwarder.handler.handler"]
