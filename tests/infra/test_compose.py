"""docker-compose.yml under the real Compose, which needs no engine to read it."""

import json
import re
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
COMPOSE = Path(sys.executable).with_name("docker-compose")
SECRETS = re.compile(r"PASSWORD|SECRET(?!S_BACKEND)|FERNET|ACCESS_KEY")
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::([?+-])([^}]*))?\}")
# Which account each service of the profile `tools` has, and whether it may write the captions; PostgreSQL's have neither.
TOOLS = {
    "backup-captions": ("nights", False),
    "backup-databases": None,
    "backup": ("nights", False),
    "restore-check": ("owner", False),
    "restore-databases": None,
    "restore": ("owner", True),
    "move": ("training", True),
}
# Settings that no service has, and why.
NOT_SET = {
    "NIGHTCAP_STORE": "it lies in the volume of NIGHTCAP_HOME",
    "NIGHTCAP_TRAINING_POD": "Kubernetes'",
    "NIGHTCAP_GPU_POD": "Kubernetes'",
    "NIGHTCAP_ALLOW_PATHS": "the stack serves no model to others",
}
ROLES = {"nights": "worker-nights", "training": "worker-training", "mlflow": "mlflow"}


@pytest.fixture
def checkout(tmp_path):
    """What compose and make_env.py read, in a folder of their own."""
    for name in ("docker-compose.yml", ".env.example"):
        shutil.copy(CHECKOUT / name, tmp_path / name)
    shutil.copytree(CHECKOUT / "infra", tmp_path / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(checkout, *command, **environment):
    environment = {"HOME": str(checkout), "PATH": "/usr/bin:/bin", **environment}
    return subprocess.run(command, check=False, cwd=checkout, env=environment, capture_output=True, text=True)


def make_env(checkout):
    return run(checkout, sys.executable, "infra/make_env.py")


def compose(checkout, *arguments, **environment):
    return run(checkout, COMPOSE, *arguments, **environment)


@pytest.fixture
def whole(checkout):
    """The file as Compose reads it, with every profile."""
    make_env(checkout)
    return json.loads(compose(checkout, "--profile", "*", "config", "--format", "json").stdout)


@pytest.fixture
def services(whole):
    return whole["services"]


def variables():
    """Each variable that compose reads, with its operator (`?`, `-` or empty) and what follows it."""
    found = VARIABLE.findall((CHECKOUT / "docker-compose.yml").read_text())
    switches = {name for name, operator, _ in found if operator == "+"}  # empty is what turns them off
    return {name: ("-", "") if name in switches else (operator, rest) for name, operator, rest in found}


def test_compose_is_refused_before_make_env_and_valid_after(checkout):
    before = compose(checkout, "config", "-q")
    assert before.returncode != 0
    assert "run make env first" in before.stderr
    assert make_env(checkout).returncode == 0
    after = compose(checkout, "config", "-q")
    assert (after.returncode, after.stderr) == (0, "")


def test_no_secret_has_a_default():
    secret = {name: operator for name, (operator, _) in variables().items() if SECRETS.search(name)}
    assert len(secret) >= 16
    assert set(secret.values()) == {"?"}


def test_no_secret_is_written_out(checkout):
    text = (checkout / "docker-compose.yml").read_text()
    literal = re.findall(r"^\s*(\w*(?:PASSWORD|SECRET|FERNET|ACCESS_KEY)\w*): (?!\$\{)(.+)$", text, re.MULTILINE)
    assert literal == []


def test_example_names_exactly_what_compose_reads():
    example = (CHECKOUT / ".env.example").read_text()
    filled_in = set(re.findall(r"^(\w+)=$", example, re.MULTILINE))
    defaults = dict(re.findall(r"^# (\w+)=(.*)$", example, re.MULTILINE))
    read = variables()
    assert filled_in == {name for name, (operator, _) in read.items() if operator == "?"}
    assert defaults == {name: rest for name, (operator, rest) in read.items() if operator == "-"}
    assert len(filled_in) + len(defaults) == len(read)


def test_every_setting_of_the_reference_reaches_a_service(services):
    told = set(re.findall(r"^\| (NIGHTCAP_\w+) \|", (CHECKOUT / "docs/reference.md").read_text(), re.MULTILINE))
    given = set().union(*(service.get("environment", {}) for service in services.values()))
    assert len(told) > 20
    assert told - given == NOT_SET.keys()


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
    assert len(values) == len(set(values)) == 44
    assert all(len(value) >= 44 for value in values)
    assert sorted(path.name for path in checkout.iterdir()) == [".env", ".env.example", "docker-compose.yml", "infra"]


def test_airflow_takes_the_fernet_key(checkout):
    from cryptography.fernet import Fernet

    make_env(checkout)
    key = re.search(r"^AIRFLOW_FERNET_KEY=(.+)$", (checkout / ".env").read_text(), re.MULTILINE)[1]
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"connection")) == b"connection"


def test_services_are_published_on_loopback_alone(services):
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"airflow-api-server", "mlflow", "s3", "prometheus", "alertmanager"}
    assert {port["host_ip"] for ports in published.values() for port in ports} == {"127.0.0.1"}


def test_services_restart_are_checked_and_pinned(services):
    ending = {*TOOLS, *(name for name in services if name.endswith("-init"))}
    lasting = {name: service for name, service in services.items() if name not in ending}
    assert {services[name]["restart"] for name in ending} == {"no"}
    assert {service["restart"] for service in lasting.values()} == {"unless-stopped"}
    assert all(service["healthcheck"]["test"][0] == "CMD-SHELL" for service in lasting.values())
    assert all(service["cap_drop"] == ["ALL"] for service in services.values())
    assert all("max-size" in service["logging"]["options"] for service in services.values())
    tags = [service["image"].partition(":")[2] for service in services.values()]
    assert all(re.match(r"v?\d+\.\d+", tag) for tag in tags)


def test_every_service_has_limits_and_nobody_is_root(services):
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= limits.keys(), name
        ours = service["image"].startswith("nightcap-")  # its Dockerfile names the user
        assert ours or service["user"].partition(":")[0] not in ("", "root", "0"), name


def test_one_service_builds_an_image_and_whoever_runs_it_finds_it_built(services):
    """Two builds of one name at once may fail, and a pull of ours finds nothing."""
    ours = [service for service in services.values() if service["image"].startswith("nightcap-")]
    builders = {name: service["image"].partition(":")[0] for name, service in services.items() if "build" in service}
    assert builders == {
        "s3-init": "nightcap-serving",
        "airflow-init": "nightcap-airflow",
        "worker-gpu": "nightcap-airflow-gpu",
    }
    assert {service["pull_policy"] for service in ours} == {"never"}
    # `run` and `up NAME` know of no other services than those that are depended on.
    assert {name for name in services if not built_with(services, name, builders)} == {"exporter"}


def built_with(services, name, builders):
    """Whether the service's image is of others, or built where it is started by itself."""
    image, waiting, seen = services[name]["image"], [name], set()
    while waiting:
        seen.add(each := waiting.pop())
        waiting += set(services[each].get("depends_on", {})) - seen
    return not image.startswith("nightcap-") or any(
        each in builders and services[each]["image"] == image for each in seen
    )


def test_a_digest_may_follow_every_version(checkout, services):
    images = {name: service["image"] for name, service in services.items() if name not in TOOLS}
    foreign = [image for image in images.values() if not image.startswith("nightcap-")]
    digests = {name for name in variables() if name.endswith("_DIGEST")} - {"PYTHON_IMAGE_DIGEST"}
    assert len(digests) == len(foreign)
    pinned = compose(checkout, "config", "--format", "json", **dict.fromkeys(digests, "@sha256:" + "0" * 64))
    assert pinned.returncode == 0
    chosen = [service["image"] for service in json.loads(pinned.stdout)["services"].values()]
    assert sum("@sha256:000" in image for image in chosen) == len(foreign)


def test_a_role_has_its_own_account_and_may_write_only_its_own_buckets(whole):
    accounts = {each["name"]: each for each in json.loads(whole["configs"]["s3"]["content"])["identities"]}
    for role, service in ROLES.items():
        key = accounts[role]["credentials"][0]
        environment = whole["services"][service]["environment"]
        assert key["accessKey"] == environment["AWS_ACCESS_KEY_ID"]
        assert key["secretKey"] == environment["AWS_SECRET_ACCESS_KEY"]
    writable = {
        role: {action.partition(":")[2] for action in accounts[role]["actions"] if action.startswith("Write")}
        for role in ROLES
    }
    assert writable == {"nights": set(), "training": {"mlflow", "promotions"}, "mlflow": set()}
    holders = [name for name, each in whole["services"].items() if "AWS_ACCESS_KEY_ID" in each.get("environment", {})]
    assert sorted(set(holders) - set(TOOLS)) == [
        "exporter",
        "mlflow",
        "s3-init",
        "worker-gpu",
        "worker-nights",
        "worker-training",
    ]


def test_a_role_has_its_own_account_at_mlflow_and_nobody_has_the_admins(services):
    given = {name: service.get("environment", {}) for name, service in services.items() if name != "mlflow-init"}
    accounts = {
        name: environment["MLFLOW_TRACKING_USERNAME"]
        for name, environment in given.items()
        if "MLFLOW_TRACKING_PASSWORD" in environment
    }
    workers = {"worker-nights": "nights", "worker-training": "training", "worker-gpu": "training"}
    assert accounts == {**workers, "exporter": "exporter"}
    init = services["mlflow-init"]["environment"]
    for name, account in accounts.items():
        assert given[name]["MLFLOW_TRACKING_PASSWORD"] == init[f"MLFLOW_{account.upper()}_PASSWORD"]
    holders = [name for name, each in given.items() if init["MLFLOW_TRACKING_PASSWORD"] in each.values()]
    assert holders == ["mlflow"]


def test_who_tells_nobody_has_no_webhook(services):
    holders = {name for name, service in services.items() if "NIGHTCAP_WEBHOOK" in service.get("environment", {})}
    assert holders == {name for name in services if name.startswith(("airflow-", "worker-"))}


def test_only_nights_may_write_captions(services):
    mounts = {
        name: volume.get("read_only", False)
        for name, service in services.items()
        for volume in service.get("volumes", [])
        if volume["source"] == "captions"
    }
    tools = {name: not told[1] for name, told in TOOLS.items() if told}
    assert mounts == {"worker-nights": False, "worker-training": True, "worker-gpu": True, "exporter": True, **tools}


def test_tools_are_started_by_name_and_may_no_more_than_they_must(whole):
    accounts = {each["name"]: each for each in json.loads(whole["configs"]["s3"]["content"])["identities"]}
    tools = {name: service for name, service in whole["services"].items() if service.get("profiles") == ["tools"]}
    assert tools.keys() == TOOLS.keys()
    for name, service in tools.items():
        key = accounts[TOOLS[name][0]]["credentials"][0]["accessKey"] if TOOLS[name] else None
        assert service["environment"].get("AWS_ACCESS_KEY_ID") == key
        assert "ports" not in service
    assert {volume["target"] for volume in tools["move"]["volumes"] if volume.get("read_only")} == {"/srv/embedded"}
    bound = [volume for each in tools.values() for volume in each["volumes"] if volume["target"] == "/backups"]
    assert {volume["bind"].get("create_host_path", False) for volume in bound} == {
        False
    }  # the engine would make root's


def test_both_sides_of_a_backup_call_pg_tools_of_the_server(services):
    assert {services[name]["image"] for name in ("backup-databases", "restore-databases")} == {
        services["postgres"]["image"]
    }


def test_queues_part_the_roles_and_the_gpu_has_a_profile(services):
    workers = {name: service for name, service in services.items() if name.startswith("worker-")}
    queues = {name: re.search(r"--queues=(\S+)", service["command"][-1])[1] for name, service in workers.items()}
    assert queues == {"worker-nights": "nights", "worker-training": "training", "worker-gpu": "gpu"}
    environment = services["airflow-dag-processor"]["environment"]
    assert environment["AIRFLOW__OPERATORS__DEFAULT_QUEUE"] == queues["worker-nights"]
    assert environment["NIGHTCAP_TRAINING_QUEUE"] == environment["NIGHTCAP_GPU_QUEUE"] == queues["worker-training"]
    assert workers["worker-nights"]["deploy"]["replicas"] == 2
    gpu = workers["worker-gpu"]
    assert gpu["profiles"] == ["gpu"]
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


@pytest.mark.parametrize("told", [{}, {"HOSTNAME": "replica-2"}])
def test_a_worker_asks_after_itself(tmp_path, services, told):
    """Docker tells a health check its HOSTNAME, podman does not."""
    celery = tmp_path / "celery"
    celery.write_text('#!/bin/sh\necho "$@"\n')
    celery.chmod(0o755)
    for name in ("worker-nights", "worker-training", "worker-gpu"):
        script = services[name]["healthcheck"]["test"][1].replace("$$", "$")
        asked = run(tmp_path, "sh", "-c", script, PATH=f"{tmp_path}:/usr/bin:/bin", **told).stdout
        assert f"--destination=celery@{told.get('HOSTNAME', socket.gethostname())} " in asked
        assert "redis" not in asked  # whose password all users of the machine could read


def test_the_night_is_let_go_on_at_two_in_its_time_zone(checkout):
    make_env(checkout)
    result = compose(checkout, "config", "--format", "json", NIGHTCAP_TIMEZONE="Europe/Paris")
    environment = json.loads(result.stdout)["services"]["airflow-scheduler"]["environment"]
    assert environment["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "false"
    assert (environment["NIGHTCAP_SCHEDULE"], environment["NIGHTCAP_TIMEZONE"]) == ("0 2 * * *", "Europe/Paris")


def test_every_worker_of_nights_has_a_slot(checkout):
    make_env(checkout)
    found = json.loads(compose(checkout, "config", "--format", "json", NIGHT_WORKERS="5").stdout)["services"]
    assert found["worker-nights"]["deploy"]["replicas"] == 5
    assert found["airflow-init"]["environment"]["NIGHT_WORKERS"] == "5"
    assert int(found["airflow-scheduler"]["environment"]["AIRFLOW__CORE__PARALLELISM"]) > 16  # Airflow's limit of a DAG


def test_airflow_services_share_their_keys_and_homes(services):
    airflow = [service for name, service in services.items() if name.startswith(("airflow-", "worker-"))]
    assert len(airflow) == 8
    for name in ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY", "NIGHTCAP_HOME", "MLFLOW_TRACKING_URI"):
        assert len({service["environment"][name] for service in airflow}) == 1
    for service in airflow:
        assert {"/opt/airflow", "/var/lib/nightcap"} <= {volume["target"] for volume in service["volumes"]}


def test_shells_own_cloud_keys_do_not_reach_the_services(checkout):
    make_env(checkout)
    result = compose(checkout, "config", AWS_ACCESS_KEY_ID="AKIAOWN", AWS_SECRET_ACCESS_KEY="own")
    assert result.returncode == 0
    assert "AKIAOWN" not in result.stdout
