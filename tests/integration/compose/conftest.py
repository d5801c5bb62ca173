"""One stack of docker-compose.yml for all files of this folder; it ends with the last of them."""

import tempfile
import threading
import time
import urllib.request
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.integration.compose.reach import Webhook, account, answer, give_nights_a_connection, secrets_backend
from tests.integration.composed import Composed
from tests.integration.image_programs import MISSING
from tests.integration.test_scheduler import TINY


@pytest.fixture(scope="package")
def webhook():
    with ThreadingHTTPServer(("127.0.0.1", 0), Webhook) as server:
        server.heard = []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="package")
def stack(webhook):
    if MISSING:
        pytest.skip(f"needs {', '.join(MISSING)} (Debian packages, see .ci/run)")
    urllib.request.install_opener(None)
    # Not under pytest's own folder, which PostgreSQL's user may not enter.
    with tempfile.TemporaryDirectory(prefix="nightcap-stack-") as name:
        folder, port = Path(name), webhook.server_port
        folder.chmod(0o755)
        settings = {
            "ALERT_WEBHOOK": f"http://127.0.0.1:{port}/alerts",
            "TASK_HEARTBEAT_TIMEOUT_S": "30",
            **secrets_backend(folder, {"nightcap_webhook": f"http://127.0.0.1:{port}/nights"}),
        }
        stack = Composed(folder, settings, frozenset({port}))
        try:
            stack.up()
            give_nights_a_connection(stack)
            yield stack
        finally:
            stack.down()


@pytest.fixture(scope="package")
def api(stack):
    """Airflow, as its admin sees it."""
    return stack.api()


@pytest.fixture(scope="package")
def people(api):
    """Airflow, as somebody of each role sees it."""
    return {role: account(api, role) for role in ("Viewer", "Operator", "Approver")}


@pytest.fixture(scope="package")
def waiting(people):
    """A training whose model waits for an answer: the run of it."""
    approver = people["Approver"]
    run = approver.trigger("train_captioner", TINY | {"gate.approval": "person"})
    for change in approver.state_changes("train_captioner", run):
        if change == ("approve", "awaiting_input"):  # Airflow asks again if the answer comes within a second
            time.sleep(3)
            break
    return run


@pytest.fixture(scope="package")
def champion(api, people, waiting):
    """A model that the DAG trained, and that a person let promote: the run of it."""
    answer(people["Approver"], waiting)
    for _ in api.state_changes("train_captioner", waiting):
        pass
    return waiting
