"""Buttons on Airflow's page of a task that lead to a page in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


class PageLink(BaseOperatorLink):
    """A button whose address the task itself leaves in an XCom; it does nothing where that is None.

    Attributes:
        label: what is written on it.
        key: of the XCom.
    """

    def __init__(self, label: str, key: str) -> None:
        self.label, self.key = label, key

    @property
    def name(self) -> str:
        """What is written on it."""
        return self.label

    @property
    def xcom_key(self) -> str:
        """Where Airflow looks for the address."""
        return self.key

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> Any:
        """The address, of the task instance that has just ended."""
        return ti_key.xcom_pull(task_ids=operator.task_id, key=self.key)
