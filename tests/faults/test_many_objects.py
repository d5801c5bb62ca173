"""Scenario 28: a plan over many objects; `benchmarks/plan_scale.py` runs it at full size, dated in docs/decisions."""

import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

OBJECTS, NEW = 100_000, 100
CPU_S_A_MILLION = 60
BASE_S, BASE_MIB = 5, 400


@pytest.mark.parametrize("kind", ["s3", "local"])
def test_28_few_new_among_many_known(tmp_path, kind):
    command = [sys.executable, "-m", "benchmarks.plan_scale", kind, f"--objects={OBJECTS}", f"--known={OBJECTS - NEW}"]
    done = subprocess.run([*command, f"--folder={tmp_path}"], capture_output=True, text=True, check=True)
    cpu, peak = re.search(r"([\d.]+) s of CPU, at most (\d+) MiB", done.stdout).groups()
    assert f"'planned': {NEW}, 'backlog': 0" in done.stdout
    assert float(cpu) < BASE_S + CPU_S_A_MILLION * OBJECTS / 1_000_000
    assert int(peak) < BASE_MIB
    assert not list(tmp_path.iterdir())
