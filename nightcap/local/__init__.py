"""Airflow and MLflow on this machine's loopback, for `nightcap run`."""
