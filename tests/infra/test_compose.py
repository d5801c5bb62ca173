"""docker-compose.yml under the real Compose, which needs no engine to read it."""

import json
import re
import socket

import pytest

from tests.infra.compose_file import CHECKOUT, TOOLS, compose, make_env, run

SECRETS = re.compile(r"PASSWORD|SECRET(?!S_BACKEND)|FERNET|ACCESS_KEY")
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::([?+-])([^}]*))?\}")
# Settings that no service has, and why.
NOT_SET = {
    "NIGHTCAP_STORE": "it lies in the volume of NIGHTCAP_HOME",
    "NIGHTCAP_TRAINING_POD": "Kubernetes'",
    "NIGHTCAP_GPU_POD": "Kubernetes'",
    "NIGHTCAP_AIRFLOW_URL": "`nightcap app` reads it, which the stack does not run",
    "NIGHTCAP_ALLOW_PATHS": "the stack serves no model to others",
}


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
    assert {name for name in services if not built_with(services, name, builders)} == {"exporter", "upgrade-volumes"}


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
        assert "/var/lib/nightcap" in {volume["target"] for volume in service["volumes"]}
