"""infra/monitoring: checked by Prometheus's own tools, and against the metrics that there are."""

import re
import shutil
import subprocess

import pytest
import yaml

from serving.monitoring import exporter
from serving.monitoring import push_runs as runs
from serving.monitoring.metrics import NIGHT_METRICS, PREFIX
from tests.infra.compose_file import CHECKOUT, compose, make_env

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
