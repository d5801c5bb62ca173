"""Registers the deadlines that the DAGs have beyond Airflow's own."""

from airflow.plugins_manager import AirflowPlugin

from dags.deadline import PublishedBy


class Deadlines(AirflowPlugin):
    """Found because this folder is Airflow's folder of plugins."""

    name = "nightcap_deadlines"
    deadline_references = [PublishedBy]  # noqa: RUF012  what Airflow looks for
