#!/usr/bin/env bash
# Makes Airflow's tables, the pools the DAGs name, and the admin's password file. Safe to run again.
set -euo pipefail
umask 077

airflow db migrate
airflow pools set gpu 1 "one training at a time"
airflow pools set model 2 "tasks that hold a captioning model in memory"
python -c 'import json, os; print(json.dumps({"admin": os.environ["AIRFLOW_ADMIN_PASSWORD"]}))' \
    >"$AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
