#!/usr/bin/env python3
"""Make Airflow's roles for people and the account `admin`; `airflow-accounts`, run at every start.

Viewer and Admin are Airflow's own roles. An Operator runs nights; an Approver also trains, promotes and rolls back.
What these two may do is written anew each time; accounts and their passwords stay as people have them.
"""

import os
from collections.abc import Iterable
from typing import Any

READ, CREATE, EDIT, MENU = "can_read", "can_create", "can_edit", "menu_access"
NIGHT_DAGS = ("caption_nightly", "tend_tables")
MODEL_DAGS = ("doctor_gpu", "rollback_captioner", "train_captioner", "watch_corrections")

Permission = tuple[str, str]


def changing(dags: Iterable[str]) -> set[Permission]:
    """Permissions to trigger, pause, clear and backfill some DAGs; a change of a run needs one for its DAG, too."""
    of_runs = {(CREATE, "DAG Runs"), (EDIT, "DAG Runs"), (EDIT, "Task Instances")}
    return of_runs | {(EDIT, f"DAG:{dag}") for dag in dags}


def roles(viewer: Iterable[Permission]) -> dict[str, set[Permission]]:
    """Every permission of our roles, given those of Airflow's Viewer."""
    operator = {*viewer} | changing(NIGHT_DAGS)
    return {
        "Operator": operator,
        "Approver": operator | changing(MODEL_DAGS) | {(EDIT, "HITL Detail"), (MENU, "HITL Detail")},
    }


def make_roles(security: Any) -> None:
    """Write the roles into Airflow's database."""
    viewer = [(each.action.name, each.resource.name) for each in security.find_role("Viewer").permissions]
    for name, permissions in roles(viewer).items():
        role = security.add_role(name)
        role.permissions = [security.create_permission(*each) for each in sorted(permissions)]
    security.session.commit()


def make_admin(security: Any, password: str) -> None:
    """Add the first account, while there is none."""
    if not security.count_users():
        security.add_user("admin", "Admin", "of Nightcap", "admin@localhost", security.find_role("Admin"), password)


def main() -> None:
    """Make what is missing; no admin without AIRFLOW_ADMIN_PASSWORD."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        make_roles(builder.sm)
        if password := os.environ.get("AIRFLOW_ADMIN_PASSWORD"):
            make_admin(builder.sm, password)


if __name__ == "__main__":
    main()
