"""infra/airflow_accounts.py: roles in a database of their own, by the security manager that Airflow uses."""

import re
import runpy
from pathlib import Path

import pytest

pytest.importorskip("airflow.providers.fab", reason="needs Airflow's FAB provider, which is in the lock")

CHECKOUT = Path(__file__).resolve().parents[2]
ACCOUNTS = runpy.run_path(str(CHECKOUT / "infra" / "airflow_accounts.py"))
NIGHTS, MODELS = ACCOUNTS["NIGHT_DAGS"], ACCOUNTS["MODEL_DAGS"]


@pytest.fixture(scope="module")
def security(tmp_path_factory):
    """What `airflow db migrate` and the first start leave of accounts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        from airflow.providers.fab.www.security_appless import ApplessAirflowSecurityManager
        from flask import Flask
        from flask_appbuilder import Model
        from sqlalchemy import create_engine
        from sqlalchemy.orm import Session

        engine = create_engine("sqlite://")
        Model.metadata.create_all(engine)
        with Session(engine) as session, Flask("accounts").app_context():  # its settings say how passwords are hashed
            manager = ApplessAirflowSecurityManager(session)
            manager.bulk_sync_roles(manager.ROLE_CONFIGS)
            yield manager


def permissions(security, role):
    return {(each.action.name, each.resource.name) for each in security.find_role(role).permissions}


def test_every_dag_has_people_who_may_run_it():
    files = (CHECKOUT / "dags").glob("*.py")
    dags = {path.stem for path in files if re.search("^@dag", path.read_text(), re.MULTILINE)}
    assert sorted(dags) == sorted([*NIGHTS, *MODELS])


def test_each_role_may_do_all_of_the_one_before_and_only_approvers_answer_and_touch_models(security):
    ACCOUNTS["make_roles"](security)
    viewer, operator, approver = (permissions(security, name) for name in ("Viewer", "Operator", "Approver"))
    assert viewer < operator < approver
    runs = {("can_create", "DAG Runs"), ("can_edit", "DAG Runs"), ("can_edit", "Task Instances")}
    assert operator - viewer == runs | {("can_edit", f"DAG:{dag}") for dag in NIGHTS}
    answers = {("can_edit", "HITL Detail"), ("menu_access", "HITL Detail")}
    assert approver - operator == answers | {("can_edit", f"DAG:{dag}") for dag in MODELS}


def test_nobody_but_an_admin_sees_what_may_hold_secrets(security):
    ACCOUNTS["make_roles"](security)
    private = {"Connections", "Variables", "Configurations", "Users", "Roles"}
    assert not {resource for _, resource in permissions(security, "Approver")} & private


def test_roles_are_put_right_again_and_accounts_stay(security):
    ACCOUNTS["make_roles"](security)
    first = permissions(security, "Operator")
    security.add_permission_to_role(
        security.find_role("Operator"), security.create_permission("can_edit", "HITL Detail")
    )
    ACCOUNTS["make_roles"](security)
    assert permissions(security, "Operator") == first


def test_an_admin_is_made_once(security):
    ACCOUNTS["make_admin"](security, "first")
    made = security.find_user("admin")
    assert [role.name for role in made.roles] == ["Admin"]
    hashed = made.password
    assert "first" not in hashed
    ACCOUNTS["make_admin"](security, "second")
    assert security.find_user("admin").password == hashed


def test_an_admin_who_was_removed_does_not_come_back(security):
    ACCOUNTS["make_admin"](security, "first")
    security.add_user("ada", "Ada", "L", "ada@localhost", security.find_role("Admin"), "other")
    security.session.delete(security.find_user("admin"))
    security.session.commit()
    ACCOUNTS["make_admin"](security, "anything")
    assert security.find_user("admin") is None
