"""infra/kubernetes against what we rely on in the Airflow chart and in pods, and against docker-compose.yml."""

import json
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.infra.kubernetes_schemas import POD, VALUES
from tests.infra.test_compose_roles import ASKS

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / "infra" / "kubernetes"
WORKERS = {"nights": "worker-nights", "training": "worker-training", "gpu": "worker-gpu"}
SECRETS = re.compile(r"PASSWORD|SECRET(?!S__)|FERNET|ACCESS_KEY|SQL_ALCHEMY_CONN|WEBHOOK")

# What the chart sets by itself, from which of its values.
BY_CHART = {
    "AIRFLOW__CORE__EXECUTOR": "executor",
    "AIRFLOW__API__SECRET_KEY": "apiSecretKeySecretName",
    "AIRFLOW__API_AUTH__JWT_SECRET": "jwtSecretName",
    "AIRFLOW__CORE__FERNET_KEY": "fernetKeySecretName",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "data",
}
# Celery's, for which pods stand here.
INSTEAD = {"NIGHTCAP_TRAINING_QUEUE": "NIGHTCAP_TRAINING_POD", "NIGHTCAP_GPU_QUEUE": "NIGHTCAP_GPU_POD"}
FORMER_NAMES = {f"NIGHTCAP_FOREIGN_{name}" for name in ("PYTHON", "MEMORY_MB", "LOAD_S", "BATCH_S")}  # for a release
CELERY = {
    "AIRFLOW__CELERY__BROKER_URL",
    "AIRFLOW__CELERY__RESULT_BACKEND",
    "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT",
    "AIRFLOW__OPERATORS__DEFAULT_QUEUE",
}


def read(path):
    return yaml.safe_load(path.read_text())


@pytest.fixture(scope="module")
def values():
    return read(FOLDER / "values.yaml")


@pytest.fixture(scope="module")
def environment(values):
    return yaml.safe_load(values["extraConfigMaps"]["nightcap-environment"]["data"])


@pytest.fixture(scope="module")
def pods():
    return {role: read(FOLDER / f"pod-{role}.yaml") for role in WORKERS}


@pytest.fixture(scope="module")
def services():
    """What a person wrote; its merge keys are YAML's own."""
    return read(CHECKOUT / "docker-compose.yml")["services"]


def container(pod):
    return pod["spec"]["containers"][0]


def wrong(schema, document):
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(document)]


def test_every_file_is_known():
    assert {path.name for path in FOLDER.iterdir()} == {
        "values.yaml",
        "networkpolicies.yaml",
        *(f"pod-{role}.yaml" for role in WORKERS),
    }


@pytest.mark.parametrize("role", WORKERS)
def test_pod_templates_hold_what_we_rely_on_and_no_other_key(role, pods):
    assert wrong(POD, pods[role]) == []
    spec = pods[role]["spec"]
    assert {mount["name"] for mount in container(pods[role])["volumeMounts"]} == {
        each["name"] for each in spec["volumes"]
    }


@pytest.mark.parametrize("role", WORKERS)
def test_kubernetes_own_client_understands_every_key_of_the_templates(role, pods):
    client = pytest.importorskip(
        "kubernetes.client", reason="needs the Kubernetes client, which is in the lock"
    ).ApiClient()
    understood = client.deserialize(SimpleNamespace(data=json.dumps(pods[role])), "V1Pod")
    assert client.sanitize_for_serialization(understood) == pods[role]


def test_values_hold_what_we_rely_on_and_no_other_key(values):
    assert wrong(VALUES, values) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["spec", "restartPolicy"], "Always"),
        (["spec", "containers", 0, "name"], "worker"),
        (["spec", "containers", 0, "env", 1], {"name": "AWS_ACCESS_KEY_ID"}),
        (["spec", "containers", 0, "resources", "limits", "nvidia.com/gpus"], "1"),
        (["spec", "securityContext", "runAsUser"], 0),
        (["spec", "tolerations", 0, "effects"], "NoSchedule"),
    ],
)
def test_the_schema_finds_mistakes(path, value):
    pod = read(FOLDER / "pod-gpu.yaml")
    inner = pod
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    assert wrong(POD, pod)


def test_no_secret_is_written_out(values, environment, pods):
    assert not [name for name in environment if SECRETS.search(name)]
    for pod in pods.values():
        assert not [each["name"] for each in container(pod)["env"] if "value" in each and SECRETS.search(each["name"])]
    texts = [path.read_text() for path in FOLDER.iterdir()]
    assert not re.search(r"://[^/\s]*:[^/\s]*@|stringData|kind: Secret|Connection:|Key: |password: ", "\n".join(texts))
    (login,) = values["migrateDatabaseJob"]["extraVolumes"]
    assert login["secret"] == {"secretName": "nightcap-login"}


def test_everything_that_compose_sets_is_set_here(values, environment, services, pods):
    asked = set().union(*(set(each["environment"]) for name, each in services.items() if name.startswith("worker-")))
    assert len(asked) > 35
    of_pods = {each["name"] for each in container(pods["nights"])["env"]} | {
        "NIGHTCAP_PUSHGATEWAY_PASSWORD",
        "NIGHTCAP_WEBHOOK",
    }
    given = set(environment) | of_pods | {name for name, value in BY_CHART.items() if values[value]}
    assert {INSTEAD.get(name, name) for name in asked - CELERY - FORMER_NAMES} - given == set()


def test_what_is_no_secret_has_the_value_that_compose_gives_it(environment, services):
    theirs = services["worker-training"]["environment"]
    default = {name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for name, value in theirs.items()}
    apart = {"AIRFLOW__CORE__EXECUTION_API_SERVER_URL"}  # the chart names that service
    same = {name: value for name, value in default.items() if name in environment and name not in apart}
    assert len(same) > 25
    assert same == {name: environment[name] for name in same}


def test_every_value_is_text_as_a_config_map_wants(environment):
    assert {name: value for name, value in environment.items() if not isinstance(value, str)} == {}


def test_pods_and_services_read_the_same_list_and_optional_secrets(values, pods):
    for pod in pods.values():
        assert container(pod)["envFrom"] == yaml.safe_load(values["extraEnvFrom"])


def test_roles_have_the_accounts_and_mounts_of_compose(services, pods):
    for role, service in WORKERS.items():
        theirs = services[service]["environment"]["AWS_ACCESS_KEY_ID"]
        account = re.match(r"\$\{S3_(\w+)_ACCESS_KEY", theirs)[1].lower()
        secrets = {
            each["valueFrom"]["secretKeyRef"]["name"] for each in container(pods[role])["env"] if "valueFrom" in each
        }
        assert secrets == {f"nightcap-s3-{account}", f"nightcap-mlflow-{account}"}
        captions = next(each for each in container(pods[role])["volumeMounts"] if each["name"] == "captions")
        assert captions.get("readOnly", False) == ("captions:/var/lib/captions:ro" in services[service]["volumes"])


def test_nights_write_the_same_places_of_the_home_as_in_compose(values, services, pods):
    mounts = container(pods["nights"])["volumeMounts"]
    writable = {each["mountPath"] for each in mounts if each["name"] == "home" and not each.get("readOnly")}
    given = [each.split(":") for each in services["worker-nights"]["volumes"] if isinstance(each, str)]
    theirs = {target for _, target, *mode in given if not mode}
    assert writable == {path for path in theirs if path.startswith("/var/lib/nightcap")}
    assert "/var/lib/nightcap" not in writable
    inner = {each["mountPath"]: each["subPath"] for each in mounts if "subPath" in each}
    assert inner.pop("/var/lib/nightcap/cache") == "cache/nights"  # not training's own
    assert inner == {path: path.removeprefix("/var/lib/nightcap/") for path in inner}
    assert [each.get("readOnly") for each in values["volumeMounts"]] == [True]


def test_only_the_gpu_pod_asks_for_a_device_and_for_the_nodes_that_have_one(pods):
    asking = {role for role, pod in pods.items() if "nvidia.com/gpu" in container(pod)["resources"]["limits"]}
    placed = {role for role, pod in pods.items() if {"nodeSelector", "tolerations"} & pod["spec"].keys()}
    assert asking == placed == {"gpu"}


def test_templates_lie_where_the_scheduler_and_the_dags_look(values, environment):
    (mount,) = values["scheduler"]["extraVolumeMounts"]
    named = {environment[f"NIGHTCAP_{kind}_POD"] for kind in ("TRAINING", "GPU")}
    named.add(environment["AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE"])
    assert named == {f"{mount['mountPath']}/pod-{role}.yaml" for role in WORKERS}
    assert values["scheduler"]["extraVolumes"][0]["configMap"]["name"] == "nightcap-pods"


def test_images_are_ours_of_this_version_and_with_its_user(values, pods):
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    ours = f"{values['defaultAirflowRepository']}:{values['defaultAirflowTag']}"
    assert ours == f"nightcap-airflow:{version}"
    assert [container(pod)["image"] for pod in pods.values()] == [ours, ours, f"nightcap-airflow-gpu:{version}"]
    assert "--uid 10001" in (CHECKOUT / "infra" / "airflow.Dockerfile").read_text()
    locked = (CHECKOUT / "requirements" / "airflow.txt").read_text()
    assert f"apache-airflow=={values['airflowVersion']} " in locked
    for needed in ("cncf-kubernetes", "fab"):  # the executor, and people's roles
        assert f"apache-airflow-providers-{needed}==" in locked


def test_the_docs_make_every_secret_claim_and_config_map_that_is_named():
    files = "\n".join(path.read_text() for path in FOLDER.iterdir())
    docs = (CHECKOUT / "docs" / "kubernetes.md").read_text()
    named = set(re.findall(r"(?:[nN]ame|existingClaim): (nightcap-[a-z0-9-]+)", files))
    made_by_chart = {"nightcap-environment"}
    assert len(named) >= 11
    assert named - made_by_chart <= set(re.findall(r"nightcap-[a-z0-9-]+", docs))


@pytest.fixture(scope="module")
def policies():
    return {
        each["metadata"]["name"]: each for each in yaml.safe_load_all((FOLDER / "networkpolicies.yaml").read_text())
    }


def test_network_policies_are_what_kubernetes_publishes(policies):
    for policy in policies.values():
        kubernetes_validate.validate(policy, "1.31", strict=True)


def selects(spec, labels):
    """Whether the selector of pods takes a pod with these labels."""
    selector = spec["podSelector"]
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    return wanted and all(labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", []))


def reached(policies, role):
    """The ends that pods of a role may reach, by the policies that select them."""
    chosen = [each["spec"] for each in policies.values() if selects(each["spec"], {"nightcap/role": role})]
    assert all("Egress" in each["policyTypes"] for each in chosen)
    return [end for each in chosen for rule in each["egress"] for end in rule["to"]]


def test_a_night_reaches_its_servers_and_nothing_outside(policies, pods):
    for role, pod in pods.items():
        assert pod["metadata"]["labels"]["nightcap/role"] == role
        assert policies["tasks"]["spec"].get("ingress") is None
        outside = [end for end in reached(policies, role) if "ipBlock" in end]
        assert bool(outside) == (role != "nights")
    labels = [end["podSelector"]["matchLabels"] for end in reached(policies, "nights")]
    assert {each["nightcap/server"] for each in labels if "nightcap/server" in each} == {"mlflow", "s3", "pushgateway"}
    assert all(end != {} for end in reached(policies, "nights"))


SERVERS = {"mlflow": 5000, "s3": 8333, "pushgateway": 9091, "postgres": 5432}


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_is_reached_by_those_who_ask_it_in_compose_and_by_nobody_else(policies, pods, server):
    spec = policies[server]["spec"]
    assert selects(spec, {"nightcap/server": server})
    assert not selects(spec, {})
    rule, *own = spec["ingress"]
    assert own == ([{"from": [{"podSelector": spec["podSelector"]}]}] if server in {"s3", "postgres"} else [])
    assert rule["ports"] == [{"protocol": "TCP", "port": SERVERS[server]}]
    labels = {name: pods[role]["metadata"]["labels"] for role, name in WORKERS.items()} | {
        f"airflow-{name}": {"tier": "airflow", "component": name}
        for name in ("api-server", "scheduler", "dag-processor", "triggerer")
    }
    pooler = {"tier": "airflow", "component": "pgbouncer"}  # of the chart; in compose nobody pools
    assert any(selects(end, pooler) for end in rule["from"]) == (server == "postgres")
    labels["mlflow"] = {"nightcap/server": "mlflow"}
    let_in = {name for name, each in labels.items() if any(selects(end, each) for end in rule["from"])}
    asking = {name for name, asked in ASKS.items() if server in asked} & labels.keys()
    assert let_in == asking - (set(WORKERS.values()) if server == "postgres" else set())
    strangers = ({}, {"tier": "airflow"}, {"tier": "airflow", "component": "worker"}, {"nightcap/asks-other": "true"})
    assert not [each for each in strangers if any(selects(end, each) for end in rule["from"])]
    assert [end["podSelector"] for end in rule["from"] if "namespaceSelector" in end] == [
        {"matchLabels": {f"nightcap/asks-{server}": "true"}}
    ]
