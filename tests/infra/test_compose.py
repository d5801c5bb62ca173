"""docker-compose.yml under the real Compose, which needs no engine to read it."""

import json
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
COMPOSE = Path(sys.executable).with_name("docker-compose")
SECRETS = re.compile(r"PASSWORD|SECRET|FERNET|ACCESS_KEY")
VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


@pytest.fixture
def checkout(tmp_path):
    """What compose and make_env.py read, in a folder of their own."""
    (tmp_path / "infra").mkdir()
    for name in ("docker-compose.yml", ".env.example", "infra/make_env.py"):
        shutil.copy(CHECKOUT / name, tmp_path / name)
    return tmp_path


def run(checkout, *command, **environment):
    environment = {"HOME": str(checkout), "PATH": "/usr/bin:/bin", **environment}
    return subprocess.run(command, check=False, cwd=checkout, env=environment, capture_output=True, text=True)


def make_env(checkout):
    return run(checkout, sys.executable, "infra/make_env.py")


def compose(checkout, *arguments, **environment):
    return run(checkout, COMPOSE, *arguments, **environment)


@pytest.fixture
def services(checkout):
    make_env(checkout)
    return json.loads(compose(checkout, "config", "--format", "json").stdout)["services"]


def variables():
    """Each variable that compose reads, with its operator (`?`, `-` or empty) and what follows it."""
    found = VARIABLE.findall((CHECKOUT / "docker-compose.yml").read_text())
    return {name: (operator, rest) for name, operator, rest in found}


def test_compose_is_refused_before_make_env_and_valid_after(checkout):
    before = compose(checkout, "config", "-q")
    assert before.returncode != 0
    assert "run make env first" in before.stderr
    assert make_env(checkout).returncode == 0
    after = compose(checkout, "config", "-q")
    assert (after.returncode, after.stderr) == (0, "")


def test_no_secret_has_a_default():
    secret = {name: operator for name, (operator, _) in variables().items() if SECRETS.search(name)}
    assert len(secret) >= 9
    assert set(secret.values()) == {"?"}


def test_no_secret_is_written_out(checkout):
    text = (checkout / "docker-compose.yml").read_text()
    literal = re.findall(r"^\s*(\w*(?:PASSWORD|SECRET|FERNET|ACCESS_KEY)\w*): (?!\$\{)(.+)$", text, re.MULTILINE)
    assert literal == [("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", "/opt/airflow/passwords.json")]


def test_example_names_exactly_what_compose_reads():
    example = (CHECKOUT / ".env.example").read_text()
    filled_in = set(re.findall(r"^(\w+)=$", example, re.MULTILINE))
    defaults = dict(re.findall(r"^# (\w+)=(.*)$", example, re.MULTILINE))
    read = variables()
    assert filled_in == {name for name, (operator, _) in read.items() if operator == "?"}
    assert defaults == {name: rest for name, (operator, rest) in read.items() if operator == "-"}
    assert len(filled_in) + len(defaults) == len(read)


def test_env_is_private_random_and_never_replaced(checkout):
    assert make_env(checkout).returncode == 0
    env = checkout / ".env"
    first = env.read_text()
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    again = make_env(checkout)
    assert again.returncode == 1
    assert str(env) in again.stderr
    assert env.read_text() == first
    env.unlink()
    make_env(checkout)
    secrets = [dict(re.findall(r"^(\w+)=(.+)$", text, re.MULTILINE)) for text in (first, env.read_text())]
    assert secrets[0].keys() == secrets[1].keys()
    values = [value for made in secrets for value in made.values()]
    assert len(values) == len(set(values)) == 18
    assert all(len(value) >= 44 for value in values)
    assert sorted(path.name for path in checkout.iterdir()) == [".env", ".env.example", "docker-compose.yml", "infra"]


def test_airflow_takes_the_fernet_key(checkout):
    from cryptography.fernet import Fernet

    make_env(checkout)
    key = re.search(r"^AIRFLOW_FERNET_KEY=(.+)$", (checkout / ".env").read_text(), re.MULTILINE)[1]
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"connection")) == b"connection"


def test_services_are_published_on_loopback_alone(services):
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"airflow-api-server", "mlflow", "s3"}
    assert {port["host_ip"] for ports in published.values() for port in ports} == {"127.0.0.1"}


def test_services_restart_are_checked_and_pinned(services):
    lasting = {name: service for name, service in services.items() if name != "airflow-init"}
    assert {service["restart"] for service in lasting.values()} == {"unless-stopped"}
    assert all(service["healthcheck"]["test"][0] == "CMD-SHELL" for service in lasting.values())
    assert all(service["cap_drop"] == ["ALL"] for service in services.values())
    tags = [service["image"].partition(":")[2] for service in services.values()]
    assert all(re.match(r"\d+\.\d+", tag) for tag in tags)


def test_airflow_services_share_their_keys_and_homes(services):
    airflow = [service for name, service in services.items() if name.startswith("airflow-")]
    assert len(airflow) == 5
    for name in ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY", "NIGHTCAP_HOME", "MLFLOW_TRACKING_URI"):
        assert len({service["environment"][name] for service in airflow}) == 1
    for service in airflow:
        assert {volume["target"] for volume in service["volumes"]} == {"/opt/airflow", "/var/lib/nightcap"}


def test_shells_own_cloud_keys_do_not_reach_the_services(checkout):
    make_env(checkout)
    result = compose(checkout, "config", AWS_ACCESS_KEY_ID="AKIAOWN", AWS_SECRET_ACCESS_KEY="own")
    assert result.returncode == 0
    assert "AKIAOWN" not in result.stdout
