#!/usr/bin/env bash
# Makes Airflow's tables, the pools that the DAGs name, and roles and the first account. Runs at every start.
set -euo pipefail

# Someone may have resized a pool: an existing one is left alone.
make_pool() { airflow pools get "$1" >/dev/null 2>&1 || airflow pools set "$@"; }

airflow db migrate
make_pool gpu 1 "one training at a time"
make_pool model 2 "tasks that hold a captioning model in memory"
airflow-accounts
