"""What tests ask of a stack that runs, and hear from it."""

import json
import time
from http.server import BaseHTTPRequestHandler

import boto3

from nightcap.local.airflow_api import AirflowApi


class Webhook(BaseHTTPRequestHandler):
    """Keeps what it is sent: `server.heard`."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.heard.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def heard(webhook, path):
    return [body for where, body in list(webhook.heard) if where == path]


def s3(stack, role):
    return boto3.client(
        "s3",
        endpoint_url=stack.address(8333),
        aws_access_key_id=stack.secrets[f"S3_{role}_ACCESS_KEY"],
        aws_secret_access_key=stack.secrets[f"S3_{role}_SECRET_KEY"],
        region_name="us-east-1",
    )


def eventually(met, limit_s=180):
    """Wait until something holds, at most so long; whether it does."""
    deadline = time.monotonic() + limit_s
    while not met() and time.monotonic() < deadline:
        time.sleep(1)
    return met()


def secrets_backend(folder, variables):
    """Settings for a backend of Airflow's that reads files, which hold some variables and no connection yet."""
    (folder / "variables.json").write_text(json.dumps(variables))
    (folder / "connections.json").write_text("{}")
    kinds = {f"{kind}_file_path": str(folder / f"{kind}.json") for kind in ("variables", "connections")}
    backend = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
    return {"SECRETS_BACKEND": backend, "SECRETS_BACKEND_KWARGS": json.dumps(kinds)}


def give_nights_a_connection(stack):
    """The account that the environment gives them, too; the secret is known once the stack is there."""
    login, password = (stack.secrets[f"S3_NIGHTS_{kind}_KEY"] for kind in ("ACCESS", "SECRET"))
    held = {"nightcap_nights_s3": {"conn_type": "aws", "login": login, "password": password}}
    (stack.folder / "connections.json").write_text(json.dumps(held))


def account(api, role):
    """Airflow, as a new person of a role sees it."""
    name, password = role.lower(), f"{role} of the tests"
    about = {"username": name, "password": password, "first_name": role, "last_name": "Test", "email": f"{name}@test"}
    api.get("dags?limit=1")  # logs in
    api._request("POST", "auth/fab/v1/users", about | {"roles": [{"name": role}]}, 60)
    return AirflowApi(api.url, name, password)


def answer(api, run, choice="Approve"):
    """Answer what a training asks."""
    path = f"dags/train_captioner/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"
    return api._call("PATCH", path, {"chosen_options": [choice]})
