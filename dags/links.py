"""Buttons on Airflow's page of a task that lead to a page in MLflow or of `nightcap app`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


class PageLink(BaseOperatorLink):
    """A button labelled `label`, whose address the task leaves in the XCom `key`; None makes it do nothing."""

    def __init__(self, label: str, key: str) -> None:
        self.label, self.key = label, key

    @property
    def name(self) -> str:
        """The label."""
        return self.label

    @property
    def xcom_key(self) -> str:
        """The XCom in which Airflow looks for the address."""
        return self.key

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> Any:
        """The address, of the task instance that has just ended."""
        return ti_key.xcom_pull(task_ids=operator.task_id, key=self.key)
