"""What a Pushgateway is told of runs and the gate; a real one where Debian's is installed."""

import shutil
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from infra.make_env import bcrypt
from pipeline.core.environment import Home
from serving.monitoring.push_runs import push_run_end, push_training, push_verdict
from tests.services import free_port

PUSHGATEWAY = shutil.which("prometheus-pushgateway")
PASSWORD = "canary-of-the-pushgateway"
VERDICT = {"promote": True, "challenger": 1.25, "champion": None}


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path, tmp_path / "store", f"sqlite:///{tmp_path / 'mlflow.db'}")


@pytest.fixture
def gateway(home, tmp_path):
    if PUSHGATEWAY is None:
        pytest.skip("needs prometheus-pushgateway (Debian package)")
    address = f"127.0.0.1:{free_port()}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # Debian's would otherwise keep what it is told in a place of the whole machine.
    login = tmp_path / "web.yml"
    login.write_text(f"basic_auth_users: {{nightcap: '{bcrypt(PASSWORD.encode(), bytes(16))}'}}")
    command = [
        PUSHGATEWAY,
        f"--web.config.file={login}",
        f"--web.listen-address={address}",
        f"--persistence.file={tmp_path / 'told'}",
    ]
    process = subprocess.Popen(command, **quiet)
    try:
        wait_for(f"http://{address}/-/ready")
        yield replace(home, pushgateway=f"http://{address}", pushgateway_password=PASSWORD)
    finally:
        process.terminate()
        process.wait(10)


def wait_for(url):
    for _ in range(100):
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{url} did not answer")


def told(home):
    login = {"Authorization": f"Basic {b64encode(f'nightcap:{PASSWORD}'.encode()).decode()}"}
    request = urllib.request.Request(f"{home.pushgateway}/metrics", headers=login)
    with urllib.request.urlopen(request, timeout=5) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        (sample.name, sample.labels.get("dag") or sample.labels.get("model")): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("nightcap_")
    }


@pytest.mark.integration
def test_a_failure_stays_told_beside_a_later_success(gateway):
    before = time.time()
    for dag, succeeded in (("caption_nightly", False), ("caption_nightly", True), ("train_captioner", False)):
        push_run_end(gateway, dag, succeeded)
    now = told(gateway)
    failed = now["nightcap_run_failed_timestamp_seconds", "caption_nightly"]
    succeeded = now["nightcap_run_succeeded_timestamp_seconds", "caption_nightly"]
    assert before <= failed <= succeeded <= time.time()
    assert ("nightcap_run_succeeded_timestamp_seconds", "train_captioner") not in now


@pytest.mark.integration
def test_a_verdict_replaces_the_one_before(gateway):
    push_verdict(gateway, "captioner", VERDICT | {"champion": 1.0})
    push_verdict(gateway, "captioner", VERDICT | {"promote": False})
    now = told(gateway)
    assert now["nightcap_gate_passed", "captioner"] == 0
    assert now["nightcap_gate_challenger_cider_d", "captioner"] == 1.25
    assert ("nightcap_gate_champion_cider_d", "captioner") not in now


@pytest.mark.integration
def test_a_training_tells_its_effort(gateway):
    push_training(gateway, "captioner", {"seconds": 12.5, "epochs": 3, "cider_d": 0.57})
    now = told(gateway)
    assert {name: value for (name, _), value in now.items() if "timestamp" not in name} == {
        "nightcap_training_seconds": 12.5,
        "nightcap_training_epochs": 3,
        "nightcap_training_cider_d": 0.57,
    }


@pytest.mark.integration
@pytest.mark.parametrize("password", ["", "another-canary"])
def test_nobody_pushes_without_the_login(gateway, caplog, password):
    push_run_end(replace(gateway, pushgateway_password=password), "caption_nightly", succeeded=True)
    assert "the Pushgateway did not receive nightcap_run_succeeded_timestamp_seconds: HTTP Error 401" in caplog.text
    assert not password or password not in caplog.text
    assert told(gateway) == {}


def test_a_gateway_that_is_gone_stops_nobody(home, caplog):
    push_run_end(home, "caption_nightly", succeeded=True)
    assert caplog.records == []
    push_verdict(replace(home, pushgateway="http://127.0.0.1:9"), "captioner", VERDICT)
    assert "the Pushgateway did not receive nightcap_gate_passed" in caplog.text
