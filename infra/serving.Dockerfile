# What loads and runs a model, and MLflow's server, from requirements/serving.txt. Build it from the checkout's root:
#   docker build -f infra/serving.Dockerfile -t nightcap-serving .
# CI checks this file's form only; `make soak` builds and runs it under podman, where that can start.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
ENV UV_CACHE_DIR=/var/cache/uv UV_LINK_MODE=copy
COPY requirements/bootstrap.txt requirements/serving.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/bootstrap.txt
RUN --mount=type=cache,target=/var/cache/uv \
    uv venv --python "$(command -v python3)" /opt/nightcap \
    && uv pip sync --python /opt/nightcap/bin/python --compile-bytecode --require-hashes \
        --build-constraints requirements/bootstrap.txt requirements/serving.txt
COPY pyproject.toml README.md LICENSE ./
COPY pipeline pipeline
# What makes models; nothing that loads and runs one imports it.
RUN rm -r pipeline/data pipeline/training pipeline/evaluation pipeline/release pipeline/training_pipeline.py
COPY serving serving
COPY nightcap nightcap
RUN uv pip install --python /opt/nightcap/bin/python --no-cache --no-deps --no-build-isolation .

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --user-group --create-home --skel /dev/null --home-dir /var/lib/nightcap nightcap \
    && install --directory --owner nightcap --group nightcap /var/lib/captions \
        /var/lib/nightcap/cache /var/lib/nightcap/store /var/lib/nightcap/store/nights /var/lib/nightcap/store/outputs \
        /var/lib/nightcap/store/cursors /var/lib/nightcap/store/last_known
COPY --from=build /opt/nightcap /opt/nightcap
COPY --chmod=755 infra/healthcheck.py /opt/nightcap/bin/healthcheck
COPY --chmod=755 infra/mlflow_accounts.py /opt/nightcap/bin/mlflow-accounts
COPY --chmod=755 infra/s3_buckets.py /opt/nightcap/bin/s3-buckets
ENV PATH=/opt/nightcap/bin:$PATH \
    NIGHTCAP_HOME=/var/lib/nightcap \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/nightcap
USER 10001:10001
CMD ["nightcap", "--help"]
