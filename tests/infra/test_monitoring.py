"""infra/monitoring: checked by Prometheus's own tools, and against the metrics that there are."""

import json
import re
import shutil
import subprocess
import time
import urllib.request
from contextlib import ExitStack

import pytest
import yaml

from serving.monitoring import exporter
from serving.monitoring import push_runs as runs
from serving.monitoring.metrics import NIGHT_METRICS, PREFIX
from tests.infra.compose_file import CHECKOUT, compose, make_env
from tests.services import free_port

FOLDER = CHECKOUT / "infra/monitoring"
RULES = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]


def check(tool, *arguments):
    if shutil.which(tool) is None:
        pytest.skip(f"needs {tool} (Debian packages prometheus and prometheus-alertmanager)")
    result = subprocess.run([tool, *arguments], check=False, cwd=FOLDER, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_prometheus_takes_the_configuration():
    check("promtool", "check", "config", "prometheus.yml")


def test_every_alert_is_bound_to_the_job_that_tells_it():
    jobs = {job["job_name"]: job for job in yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]}
    assert not any(job.get("honor_labels") for job in jobs.values())
    for rule in RULES:
        for metric, labels in re.findall(r"(?<!\")(nightcap_\w+)(\{[^}]*\})?", rule["expr"]):
            job = "nightcap" if metric in exporter.INSTALLATION_METRICS else "pushgateway"
            assert f'job="{job}"' in labels, rule["alert"]
            assert job == "nightcap" or "exported_job=" in labels, rule["alert"]


def test_alerts_fire_when_they_should():
    check("promtool", "test", "rules", "alerts_test.yml")


def test_every_alert_is_seen_to_fire():
    tests = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
    fired = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case.get("exp_alerts")}
    assert fired == {rule["alert"] for rule in RULES}


def test_every_alert_leads_to_its_section_of_the_runbook():
    headings = re.findall(r"^## (\w+)$", (CHECKOUT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(rule["alert"] for rule in RULES)
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"


def test_rules_ask_for_metrics_that_there_are():
    asked = {name for rule in RULES for name in re.findall(r"(nightcap_\w+)\{", rule["expr"])}
    there = {f"{PREFIX}{name}" for name in NIGHT_METRICS} | set(runs.RUN_METRICS) | set(exporter.INSTALLATION_METRICS)
    assert asked <= there


@pytest.mark.parametrize(("webhook", "receiver"), [("", "people"), ("http://127.0.0.1:1/hook", "people_by_webhook")])
def test_alertmanager_takes_its_configuration(checkout, monkeypatch, webhook, receiver):
    make_env(checkout)
    resolved = yaml.safe_load(compose(checkout, "config", ALERT_WEBHOOK=webhook).stdout)
    content = resolved["configs"]["alertmanager"]["content"]
    route = yaml.safe_load(content)
    assert route["route"]["receiver"] == receiver
    assert not webhook or webhook in content
    path = checkout / "alertmanager.yml"
    path.write_text(content)
    check("amtool", "check-config", str(path))


@pytest.mark.integration
@pytest.mark.parametrize("password", ["right", "wrong"])
def test_prometheus_logs_in_at_the_pushgateway_of_the_stack(whole, tmp_path, password):
    gateway, prometheus = (shutil.which(name) for name in ("prometheus-pushgateway", "prometheus"))
    if not (gateway and prometheus):
        pytest.skip("needs Debian's packages prometheus and prometheus-pushgateway")
    services, content = whole["services"], {name: each["content"] for name, each in whole["configs"].items()}
    ports = [free_port(), free_port()]
    (tmp_path / "web.yml").write_text(content["pushgateway"].replace("$$", "$"))
    (tmp_path / "password").write_text(content["pushgateway-password"] if password == "right" else password)
    told = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    job = next(each for each in told["scrape_configs"] if each["job_name"] == "pushgateway")
    assert job["basic_auth"]["password_file"] == services["prometheus"]["configs"][0]["target"]
    job |= {"static_configs": [{"targets": [f"127.0.0.1:{ports[0]}"]}], "scrape_interval": "200ms"}
    job["basic_auth"]["password_file"] = str(tmp_path / "password")
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": [job | {"scrape_timeout": "200ms"}]}))
    with ExitStack() as stack:
        for command in (
            [gateway, f"--web.config.file={tmp_path / 'web.yml'}", f"--web.listen-address=127.0.0.1:{ports[0]}"],
            [
                prometheus,
                f"--config.file={tmp_path / 'prometheus.yml'}",
                f"--storage.tsdb.path={tmp_path / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{ports[1]}",
            ],
        ):
            process = stack.enter_context(
                subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            stack.callback(process.kill)
        found = health_of_target(f"http://127.0.0.1:{ports[1]}/api/v1/targets")
        assert (
            found == {"right": ("up", ""), "wrong": ("down", "server returned HTTP status 401 Unauthorized")}[password]
        )
        (kind, check) = services["pushgateway"]["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        subprocess.run(["sh", "-c", check.replace("9091", str(ports[0]))], check=True, timeout=30)


def health_of_target(url):
    """What Prometheus says of its only target once it has asked it."""
    for _ in range(150):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                targets = json.load(answer)["data"]["activeTargets"]
        except OSError:
            targets = []
        if targets and "connection refused" not in targets[0]["lastError"] and targets[0]["health"] != "unknown":
            return targets[0]["health"], targets[0]["lastError"]
        time.sleep(0.1)
    raise AssertionError(f"{url} did not tell of its target")
