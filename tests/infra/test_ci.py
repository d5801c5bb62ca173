""".ci/run on a machine that lacks packages, and whose apt-get has none."""

import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
COMMANDS = {"id": "echo 0", "apt-get": "exit 100", "make": 'echo "made $*"', "git": "", "uv": ""}


@pytest.fixture
def machine(tmp_path):
    """A checkout and commands of a root's that has little more."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(CHECKOUT / ".ci/run", tmp_path / ".ci")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/dirname").symlink_to(shutil.which("dirname"))
    for name, script in COMMANDS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def run(machine, **told):
    environment = {"PATH": str(machine / "bin"), "HOME": str(machine), **told}
    command = ["/bin/bash", machine / ".ci/run"]
    return subprocess.run(command, check=False, env=environment, capture_output=True, text=True)


def test_what_cannot_be_installed_is_told(machine):
    done = run(machine)
    assert done.returncode == 0
    assert done.stdout.endswith(
        "made --no-print-directory lint\nmade --no-print-directory test TIER=all ARGS=--durations=40\n"
    )
    for package in ("default-jre-headless", "redis-server", "wget", "prometheus-alertmanager", "chromium"):
        assert f"could not install {package}; its tests are skipped" in done.stdout


def test_ci_fails_where_the_stack_cannot_be_tested(machine):
    done = run(machine, CI="true")
    assert done.returncode == 1
    assert "made" not in done.stdout
    assert "without which the stack is not tested: redis-server" in done.stderr
    assert done.stderr.rstrip().endswith("wget prometheus prometheus-pushgateway prometheus-alertmanager chromium")
    assert "default-jre-headless" not in done.stderr
