# Stand-in for public.ecr.aws/lambda/python:3.13, see base.py. Without its emulator of the Runtime API: one must be given.
ARG BASE
FROM ${BASE}
COPY runtime.txt /src/
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m venv /var/lang \
 && /var/lang/bin/pip install --no-cache-dir --no-deps --require-hashes --target /var/runtime -r /src/runtime.txt \
 && mkdir -p /var/task /opt/python
COPY lambda-entrypoint.sh /
ENV PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin \
    PYTHONPATH=/var/task:/opt/python:/var/runtime \
    LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime LANG=en_US.UTF-8 TZ=:/etc/localtime
WORKDIR /var/task
ENTRYPOINT ["/lambda-entrypoint.sh"]
