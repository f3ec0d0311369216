# The consumer, the command `vpcflow` and the HTTP receiver in one image, from the root of the project:
#     docker build -f docker/consumer.Dockerfile -t vpcflow-stream .
# docs/containers.md says how it is run, how the base is pinned by its digest, and what the two secrets are for.
ARG BASE=python:3.13-slim-trixie

# ---- what builds, and stays behind ----
FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
WORKDIR /src
COPY requirements/build.txt ./
RUN --mount=type=secret,id=ca --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m venv /opt/build \
 && /opt/build/bin/pip install --no-deps --require-hashes -r build.txt

# ---- the Kinesis Client Library: its package is locked, the jars that it downloads have sums of ours ----
FROM build AS kcl
COPY vpcflow/stack/data/kcl.txt vpcflow/stack/data/kcl-jars.sha256 ./
RUN --mount=type=secret,id=ca --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/build/bin/pip wheel --no-deps --no-build-isolation --require-hashes --wheel-dir /wheels -r kcl.txt \
 && python -m zipfile -e /wheels/*.whl /unpacked
WORKDIR /unpacked/amazon_kclpy/jars
RUN sha256sum --check --strict --quiet /src/kcl-jars.sha256

# ---- our wheel ----
FROM build AS wheel
COPY pyproject.toml README.md LICENSE ./
COPY vpcflow vpcflow/
COPY consumer consumer/
COPY firehose_transform firehose_transform/
COPY forwarder forwarder/
RUN /opt/build/bin/pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /wheels .

# ---- the environment that is run: no pip, no compiler; what changes most comes last ----
FROM build AS environment
RUN python -m venv --without-pip /opt/vpcflow
COPY --from=kcl /wheels /wheels/
COPY requirements/image.txt ./
RUN --mount=type=secret,id=ca --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/build/bin/pip --python /opt/vpcflow/bin/python install --no-deps --no-index /wheels/*.whl \
 && /opt/build/bin/pip --python /opt/vpcflow/bin/python install --no-deps --require-hashes --only-binary=:all: -r image.txt
COPY --from=wheel /wheels /wheels/
RUN /opt/build/bin/pip --python /opt/vpcflow/bin/python install --no-deps --no-index /wheels/vpcflow_stream-*.whl \
 && /opt/vpcflow/bin/python -m vpcflow.stack check-jars
COPY docker/health.py /opt/vpcflow/
# Whatever the umask of the checkout was, user 10001 may read it.
RUN chmod 0644 /opt/vpcflow/health.py

# ---- what is run ----
FROM ${BASE} AS runtime
# The version that the base's Debian has: 21 in trixie, 17 in bookworm.
ARG JAVA=openjdk-21-jre-headless
# Slim bases have no folder for manual pages, without which the JRE's set-up fails.
# hadolint ignore=DL3008
RUN mkdir -p /usr/share/man/man1 \
 && apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${JAVA}" tini \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 10001 vpcflow \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin vpcflow
COPY --from=environment /opt/vpcflow /opt/vpcflow/

ARG BASE
ARG VERSION=0.1.0
ARG REVISION=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="vpcflow-stream" \
      org.opencontainers.image.description="AWS VPC Flow Logs, decoded in flight and indexed into Elasticsearch or OpenSearch" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="${BASE}"

ENV PATH=/opt/vpcflow/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    VPCFLOW_METRICS__LISTEN=0.0.0.0:9464
USER 10001:10001
WORKDIR /tmp
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 \
    CMD ["/opt/vpcflow/bin/python", "-I", "/opt/vpcflow/health.py"]
# tini reaps what the daemon's children leave, and passes SIGTERM on: docs/containers.md, stopping.
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["vpcflow-consumer"]
