"""What the stack's roles may read, write and reach."""

import json
import re

import pytest

from tests.infra.compose_file import CHECKOUT, TOOLS, compose, make_env

ROLES = {"nights": "worker-nights", "training": "worker-training", "mlflow": "mlflow"}


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
    assert accounts["pictures"]["actions"] == ["List:pictures", "Write:pictures"]
    assert [name for name, each in accounts.items() if "Admin" in each["actions"]] == ["owner"]
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
    assert accounts == {**workers, "exporter": "exporter", "forget": "training"}
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
    tools = {name: not told[1] for name, told in TOOLS.items() if told and told[1] is not None}
    assert mounts == {"worker-nights": False, "worker-training": True, "worker-gpu": True, "exporter": True, **tools}


def test_tools_are_started_by_name_and_may_no_more_than_they_must(whole):
    accounts = {each["name"]: each for each in json.loads(whole["configs"]["s3"]["content"])["identities"]}
    tools = {name: service for name, service in whole["services"].items() if service.get("profiles") == ["tools"]}
    assert tools.keys() == TOOLS.keys()
    for name, service in tools.items():
        key = accounts[TOOLS[name][0]]["credentials"][0]["accessKey"] if TOOLS[name] else None
        assert service.get("environment", {}).get("AWS_ACCESS_KEY_ID") == key
        assert "ports" not in service
    assert {volume["target"] for volume in tools["move"]["volumes"] if volume.get("read_only")} == {"/srv/embedded"}
    bound = [volume for each in tools.values() for volume in each.get("volumes", []) if volume["target"] == "/backups"]
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


def test_shells_own_cloud_keys_do_not_reach_the_services(checkout):
    make_env(checkout)
    result = compose(checkout, "config", AWS_ACCESS_KEY_ID="AKIAOWN", AWS_SECRET_ACCESS_KEY="own")
    assert result.returncode == 0
    assert "AKIAOWN" not in result.stdout


def test_no_secret_stands_on_a_command_line(whole, checkout):
    """Every user of a machine sees the arguments of all its processes."""
    secrets = set(re.findall(r"^\w+=([0-9a-f]{64}|[\w=-]{44})$", (checkout / ".env").read_text(), re.MULTILINE))
    assert len(secrets) >= 20
    for name, service in whole["services"].items():
        told = [service.get("command"), service.get("entrypoint"), service.get("healthcheck", {}).get("test")]
        assert not [secret for secret in secrets if secret in json.dumps(told)], name


@pytest.mark.parametrize("page", sorted((CHECKOUT / "docs").rglob("*.md")), ids=lambda path: path.name)
def test_no_command_of_the_docs_takes_a_secret_as_an_argument(page):
    lines = [
        line for line in page.read_text().replace("\\\n", " ").splitlines() if "docker " in line or "kubectl" in line
    ]
    odd = re.compile(r"(-e|--env|--password|--from-literal)[ =]|\$\{?\w*(_URI|KEY|SECRET|PASSWORD|CONN)")
    assert [line for line in lines if odd.search(line)] == []


# Who asks whom in the stack; nobody else shares a network with a server.
NIGHTS = {"postgres", "redis", "airflow-api-server", "mlflow", "s3", "pushgateway"}
ASKS = {
    "airflow-api-server": {"postgres", "redis"},
    "airflow-scheduler": {"postgres", "redis", "airflow-api-server"},
    "airflow-dag-processor": {"postgres", "redis", "airflow-api-server", "pushgateway"},
    "airflow-triggerer": {"postgres", "redis", "airflow-api-server", "pushgateway"},
    "airflow-init": {"postgres"},
    "worker-nights": NIGHTS,
    "worker-training": NIGHTS,
    "worker-gpu": NIGHTS,
    "mlflow": {"postgres", "s3"},
    "mlflow-init": {"mlflow"},
    "s3-init": {"s3"},
    "exporter": {"mlflow", "s3"},
    "prometheus": {"pushgateway", "exporter", "alertmanager", "s3"},
    "backup-captions": {"s3"},
    "backup-databases": {"postgres"},
    "backup": {"s3"},
    "restore-check": {"s3"},
    "restore-databases": {"postgres"},
    "restore": {"s3"},
    "move": {"postgres", "mlflow", "s3"},
    "forget": {"mlflow", "s3"},
    "upload": {"s3"},
    "upgrade-mlflow": {"postgres"},
    "upgrade-volumes": set(),
    "correct": {"s3"},
}


def neighbours(services, name):
    networks = set(services[name]["networks"])
    return {other for other, each in services.items() if other != name and networks & set(each["networks"])}


def test_networks_join_those_who_speak(services):
    for name, asked in ASKS.items():
        assert asked <= neighbours(services, name), name
    for server in ("postgres", "redis"):
        assert neighbours(services, server) <= {name for name, asked in ASKS.items() if server in asked} | (
            {"airflow-init"} if server == "redis" else {"postgres"}
        )
    told = (CHECKOUT / "infra/monitoring/prometheus.yml").read_text()
    assert set(re.findall(r'targets: \["([\w-]+):', told)) <= neighbours(services, "prometheus")


def test_only_prometheus_reaches_what_silences_alerts(services):
    """A captioner's code, say, which runs beside nights."""
    assert neighbours(services, "alertmanager") == {"prometheus"}


def test_what_needs_no_way_out_has_none(whole):
    outside = {name for name, each in whole["networks"].items() if not (each or {}).get("internal")}
    assert outside == {"published", "egress", "messages"}
    reaching = {name for name, each in whole["services"].items() if outside & set(each["networks"])}
    published = {name for name, each in whole["services"].items() if "ports" in each}
    assert reaching - published == {"airflow-dag-processor", "airflow-triggerer", "worker-training", "worker-gpu"}
    assert {name for name, each in whole["services"].items() if "published" in each["networks"]} == published - {
        "alertmanager"
    }


def test_settings_are_read_only_and_the_exporter_writes_nothing(services):
    mounts = {name: {each["target"]: each for each in service.get("volumes", [])} for name, service in services.items()}
    for name in (each for each in services if each.startswith(("airflow-", "worker-"))):
        assert mounts[name]["/etc/nightcap"]["read_only"], name
    assert all(each["read_only"] for each in mounts["exporter"].values())
