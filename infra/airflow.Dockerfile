# Airflow's services with the DAGs and all they call, from requirements/airflow.txt; for NVIDIA's
# devices build with REQUIREMENTS=requirements/airflow-cuda.txt. Build it from the checkout's root:
#   docker build -f infra/airflow.Dockerfile -t nightcap-airflow .
# CI checks this file's form only; `make soak` builds and runs it under podman, where that can start.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE} AS build
ARG REQUIREMENTS=requirements/airflow.txt
WORKDIR /src
ENV UV_CACHE_DIR=/var/cache/uv UV_LINK_MODE=copy
COPY requirements/bootstrap.txt requirements/airflow.txt requirements/airflow-cuda.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/bootstrap.txt
RUN --mount=type=cache,target=/var/cache/uv \
    uv venv --python "$(command -v python3)" /opt/nightcap \
    && uv pip sync --python /opt/nightcap/bin/python --compile-bytecode --require-hashes \
        --build-constraints requirements/bootstrap.txt "${REQUIREMENTS}"
COPY pyproject.toml README.md LICENSE ./
COPY pipeline pipeline
COPY serving serving
COPY nightcap nightcap
RUN uv pip install --python /opt/nightcap/bin/python --no-cache --no-deps --no-build-isolation .

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --user-group --create-home --skel /dev/null --home-dir /var/lib/nightcap nightcap \
    && install --directory --owner nightcap --group nightcap /opt/airflow /opt/airflow/logs /var/lib/captions \
        /var/lib/nightcap/cache /var/lib/nightcap/store /var/lib/nightcap/store/nights /var/lib/nightcap/store/outputs \
        /var/lib/nightcap/store/cursors /var/lib/nightcap/store/last_known
COPY --from=build /opt/nightcap /opt/nightcap
COPY --chmod=755 infra/healthcheck.py /opt/nightcap/bin/healthcheck
COPY --chmod=755 infra/airflow-init.sh /opt/nightcap/bin/airflow-init
COPY --chmod=755 infra/airflow_accounts.py /opt/nightcap/bin/airflow-accounts
# Outside AIRFLOW_HOME, because that is a volume and would keep the DAGs of the first image.
COPY dags /srv/nightcap/dags
ENV PATH=/opt/nightcap/bin:$PATH \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/srv/nightcap/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/srv/nightcap/dags/plugins \
    NIGHTCAP_HOME=/var/lib/nightcap \
    PYTHONPATH=/srv/nightcap \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/nightcap
USER 10001:10001
CMD ["airflow", "version"]
