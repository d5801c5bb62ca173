#!/usr/bin/env bash
# Makes Airflow's tables, the pools that the DAGs name, roles and the first account, and, in a home that it may write,
# what nights find there read-only. Runs at every start.
set -euo pipefail

# Someone may have resized a pool: an existing one is left alone.
make_pool() { airflow pools get "$1" >/dev/null 2>&1 || airflow pools set "$@"; }

airflow db migrate
make_pool gpu 1 "tasks of trainings that hold a model in memory"
# Where workers of nights are counted, the pool follows their number, or those that are added would idle.
[ -z "${NIGHT_WORKERS:-}" ] || airflow pools set model "$NIGHT_WORKERS" "tasks of nights that hold a model in memory"
make_pool model 2 "tasks of nights that hold a model in memory"
airflow-accounts
if [ -w "${NIGHTCAP_HOME:-}" ]; then
    mkdir -p "$NIGHTCAP_HOME/cache" "$NIGHTCAP_HOME"/store/{nights,outputs,cursors,last_known}
    touch "$NIGHTCAP_HOME/store/forgotten.lock"
fi
