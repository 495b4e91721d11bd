# The image of the service, without the servers of the demo: docs/deployment.md.
#
# Pinned by the digest of the index of all platforms. For a newer one: docker buildx imagetools inspect python:3.11-slim-bookworm
# A registry near you: --build-arg PYTHON_IMAGE=registry.example.com/python:3.11-slim-bookworm
ARG PYTHON_IMAGE=python:3.11.15-slim-bookworm@sha256:d29f48a31a8b408ed19272ca1e7b10ebae13b240a27e862d3d4217c528e2e0c3

FROM ${PYTHON_IMAGE} AS build

# For the C files here, and for three dependencies that come as source. The compiler stays in this stage.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*

# A mirror near you: --build-arg PIP_INDEX_URL=https://mirrors.example.com/pypi/simple
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/aggregation
WORKDIR /build
# celery for RUNNER=celery: --build-arg LOCK=celery
ARG LOCK=runtime
COPY requirements/build.lock requirements/runtime.lock requirements/celery.lock requirements/
# Nothing that is not in a lock is downloaded, for building neither.
RUN /opt/aggregation/bin/pip install --require-hashes -r requirements/build.lock \
    && /opt/aggregation/bin/pip install --require-hashes --no-build-isolation --use-pep517 -r "requirements/${LOCK}.lock"
COPY pyproject.toml setup.py README.md LICENSE dagster.yaml ./
# Files of the package are links to some of these.
COPY sql sql
COPY aggregation_pipeline aggregation_pipeline
# The C files are optional for an installation; an image without them is refused. -P: not those of this folder.
RUN /opt/aggregation/bin/pip install --no-deps --no-build-isolation . \
    && /opt/aggregation/bin/python -P -c "import aggregation_pipeline.native._kernels, aggregation_pipeline.native._rows" \
    && /opt/aggregation/bin/pip uninstall --yes setuptools pip

FROM ${PYTHON_IMAGE}

# The numbers are fixed: volumes belong to them. What is made here are the places of volumes, for a root that is read-only.
RUN groupadd --gid 1000 aggregation \
    && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin aggregation \
    && install -d -o 1000 -g 1000 -m 0700 /srv/aggregation/.code-server /srv/aggregation/.data \
    && install -d -o 1000 -g 1000 /srv/aggregation/exports /srv/aggregation/logs /srv/aggregation/temp \
    && install -d /run/secrets /run/server-secrets /srv/aggregation/config
COPY --from=build /opt/aggregation /opt/aggregation
COPY dagster.yaml /srv/aggregation/

ENV PATH=/opt/aggregation/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    DAGSTER_HOME=/srv/aggregation \
    AUTH_FILE=/srv/aggregation/.data/auth.json
WORKDIR /srv/aggregation
USER 1000:1000
EXPOSE 3000
# The first one lets runs end, for up to STOP_SECONDS.
STOPSIGNAL SIGTERM
# Only whether it answers: /health would also tell of a database that a restart does not bring back.
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:3000/health/live', timeout=8)"]
ENTRYPOINT ["aggregation-pipeline"]
CMD ["serve", "--host", "0.0.0.0"]
