# The images that a stack runs, one target each: operator, services, samples.
# Any builder can build it (no BuildKit syntax). PYTHON_IMAGE is the official image or one that offers the same.
ARG PYTHON_IMAGE=python:3.13-slim
ARG S3_IMAGE=versity/versitygw:v1.8.0

FROM ${PYTHON_IMAGE} AS python
RUN groupadd --gid 65532 hcs && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin hcs
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/opt/hcs PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp

# pip lives in an environment of its own, so that the one we ship holds nothing but what is locked.
FROM python AS pip
RUN python3 -m venv /build/pip && python3 -m venv --without-pip /opt/venv
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ONLY_BINARY=:all: PIP_REQUIRE_HASHES=1

FROM pip AS operator-build
COPY requirements/operator.lock /build/
RUN /build/pip/bin/pip --python /opt/venv/bin/python install -r /build/operator.lock
COPY operator/ /opt/hcs/
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/hcs

FROM python AS operator
COPY --from=operator-build /opt/venv /opt/venv
COPY --from=operator-build /opt/hcs /opt/hcs
USER 65532:65532
ENTRYPOINT ["python", "-m", "hcs_operator"]

FROM pip AS services-build
COPY requirements/services.lock /build/
RUN /build/pip/bin/pip --python /opt/venv/bin/python install -r /build/services.lock
COPY services/ /opt/hcs/
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/hcs

FROM python AS services
COPY --from=services-build /opt/venv /opt/venv
COPY --from=services-build /opt/hcs /opt/hcs
ENV PATH=/opt/hcs/bin:$PATH
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["python", "-m", "hcs_services"]

FROM pip AS samples-build
COPY requirements/samples.lock /build/
RUN /build/pip/bin/pip --python /opt/venv/bin/python install -r /build/samples.lock
COPY examples/samples/ /opt/hcs/samples/
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/hcs

FROM ${S3_IMAGE} AS s3

FROM python AS samples
COPY --from=s3 /app/versitygw /usr/local/bin/versitygw
COPY --from=samples-build /opt/venv /opt/venv
COPY --from=samples-build /opt/hcs /opt/hcs
USER 65532:65532
