#!/usr/bin/env bash
# Makes Airflow's tables, the pools that the DAGs name, and the admin's password file. Runs at every start.
set -euo pipefail
umask 077

# Someone may have resized a pool: an existing one is left alone.
make_pool() { airflow pools get "$1" >/dev/null 2>&1 || airflow pools set "$@"; }

airflow db migrate
make_pool gpu 1 "one training at a time"
make_pool model 2 "tasks that hold a captioning model in memory"
# On Kubernetes a Secret is the file.
[[ -z "${AIRFLOW_ADMIN_PASSWORD:-}" ]] \
    || python -c 'import json, os; print(json.dumps({"admin": os.environ["AIRFLOW_ADMIN_PASSWORD"]}))' \
        >"$AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
