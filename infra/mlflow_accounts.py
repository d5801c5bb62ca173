#!/usr/bin/env python3
"""Give each role its account in MLflow, with the passwords of the environment; `mlflow-accounts`, run at every start.

Whoever is logged in reads everything and owns what they make. Beyond that, training changes all experiments and
models, and nights their experiment. MLflow's own client takes seconds to import, so this calls the REST API.
"""

import base64
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MODEL = "captioner"  # whoever registers a name owns it, so this one is made before people have accounts
_NIGHTS = "nights"  # the account, and the usual experiment of its runs
ROLES = ("exporter", _NIGHTS, "training")


class Refused(Exception):
    """MLflow answers with an error: its code, and what it says."""


@dataclass
class Server:
    """MLflow, as somebody who is logged in sees it."""

    url: str
    user: str
    password: str

    def call(self, method: str, path: str, **body: str) -> Any:
        """MLflow's answer to a request, or Refused."""
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"{self.url}/api/{path}", data, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode(errors="replace")[:500]) from error

    def make(self, path: str, **body: str) -> bool:
        """Make something; whether it was missing."""
        try:
            self.call("POST", path, **body)
        except Refused as error:
            if "RESOURCE_ALREADY_EXISTS" not in error.args[1]:
                raise
            return False
        return True

    def make_experiment(self, name: str) -> str:
        """The id of an experiment, made if it is missing."""
        self.make("2.0/mlflow/experiments/create", name=name)
        query = urllib.parse.urlencode({"experiment_name": name})
        return str(self.call("GET", f"2.0/mlflow/experiments/get-by-name?{query}")["experiment"]["experiment_id"])

    def let_edit(self, name: str, kind: str, which: str = "*") -> None:
        """Let an account change one thing of a kind, or all."""
        about = {"username": name, "resource_type": kind, "resource_id": which}
        self.make("3.0/mlflow/users/permissions/grant", **about, permission="EDIT")


def main(environ: Mapping[str, str] = os.environ) -> None:
    """Make what is missing."""
    server = Server(*(environ[f"MLFLOW_TRACKING_{what}"] for what in ("URI", "USERNAME", "PASSWORD")))
    try:
        server.make("2.0/mlflow/registered-models/create", name=_MODEL)
        for role in ROLES:
            account = {"username": role, "password": environ[f"MLFLOW_{role.upper()}_PASSWORD"]}
            if not server.make("2.0/mlflow/users/create", **account):
                server.call("PATCH", "2.0/mlflow/users/update-password", **account)
        server.let_edit(_NIGHTS, "experiment", server.make_experiment(_NIGHTS))
        server.let_edit("training", "experiment")
        server.let_edit("training", "registered_model")
    except Refused as error:
        advice = "write into .env what MLFLOW_ADMIN_PASSWORD was changed to" if error.args[0] == 401 else error.args[1]
        raise SystemExit(f"MLflow at {server.url} answers {error.args[0]}: {advice}") from error


if __name__ == "__main__":
    main()
