"""Where podman cannot be tried, the reason is told."""

import subprocess
import sys
from pathlib import Path

from tests.soak.engine import lacking


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert lacking().startswith("needs podman, runc, iptables, catatonit, debootstrap")


def test_a_full_disk_is_told(monkeypatch, tmp_path):
    for name in ("podman", "runc", "iptables", "catatonit", "debootstrap", "netavark", "aardvark-dns"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tests.soak.engine.HELPERS", ())
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("tests.soak.engine.NEEDED_GB", 10**9)
    assert "GB in" in lacking()


def test_what_the_soak_runs_needs_no_other_tests_beside_it():
    checkout = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", "import tests.soak.contained, tests.soak.local_images"]
    assert subprocess.run(command, check=False, cwd=checkout, capture_output=True, text=True).stderr == ""
