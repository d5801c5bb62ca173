"""Where podman cannot be tried, the reason is told."""

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
