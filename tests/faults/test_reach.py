"""Scenario 20: a night reads and writes only under its roots, at the configured endpoint."""

import socket
from dataclasses import replace

import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.storage.objects import require_inside
from serving.planning.plan import plan
from serving.runs.roots import table_of
from serving.runs.settings import night_settings
from serving.upkeep.rollback import RollbackSettings, roll_back
from serving.upkeep.tables import Tending, TendingSettings
from tests.serving.night_world import PINNED, World, image


@pytest.fixture
def world(tmp_path):
    roots = (str(tmp_path / "photos"), "s3://bucket/in")
    home = tmp_path / "home"
    return World(Home(home, home / "store", f"sqlite:///{tmp_path / 'mlflow.db'}", roots))


@pytest.fixture
def no_socket(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(
    "uri",
    [
        "http://example.org/photos",
        "https://example.org/photos",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "file:///etc",
        "file:/etc",
        "ftp://example.org/x",
        "gs://bucket/in",
        "s3://other/in",
        "s3://bucket",
        "s3://bucket/inner",
        "s3://bucket/in/../secret",
        "s3://169.254.169.254/in",
        "s3://key:secret@bucket/in",
        "/etc",
        "/",
        "../..",
        "",
        "/etc\0",
    ],
)
def test_20_other_addresses_are_refused_and_no_socket_is_opened(world, no_socket, uri):
    with pytest.raises(SettingsError) as caught:
        plan(night_settings({"input": uri}), world.home, PINNED, world.attempt())
    assert "secret@" not in str(caught.value)
    assert not world.folder().exists()


def test_20_a_link_does_not_lead_out_of_a_root(world, tmp_path, no_socket):
    photos, outside = tmp_path / "photos", tmp_path / "outside"
    photos.mkdir()
    outside.mkdir()
    (outside / "secret.jpg").write_bytes(image("red"))
    (photos / "link").symlink_to(outside)
    (photos / "secret.jpg").symlink_to(outside / "secret.jpg")
    (photos / "own.jpg").write_bytes(image("blue"))
    summary = world.night(input=str(photos))
    assert (summary.captioned, summary.counts.ignored) == (1, 2)
    with pytest.raises(SettingsError, match="NIGHTCAP_ROOTS"):
        world.night("n2", input=str(photos / "link"))


def test_20_a_manifest_does_not_lead_out(world, tmp_path, no_socket):
    photos = tmp_path / "photos"
    photos.mkdir()
    (tmp_path / "secret.jpg").write_bytes(image("red"))
    status = (tmp_path / "secret.jpg").stat()
    row = f"{status.st_size}-{status.st_mtime_ns},{status.st_size}\n"
    (photos / "m.csv").write_text(f"key,etag,size\n../secret.jpg,{row}{tmp_path / 'secret.jpg'},{row}")
    with pytest.raises(SettingsError, match="NIGHTCAP_ROOTS"):
        world.night(input=str(photos), manifest=str(tmp_path / "elsewhere.csv"))
    summary = world.night("n2", input=str(photos), manifest=str(photos / "m.csv"))
    assert (summary.captioned, summary.reasons) == (0, {"source_changed": 2})


@pytest.mark.parametrize("under", ["elsewhere/captions", "photos/../captions", "home/../captions"])
def test_20_a_table_elsewhere_is_neither_written_nor_read(world, tmp_path, under):
    world.put("a.jpg", image("red"))
    named = str(tmp_path / under)
    with pytest.raises(SettingsError, match="NIGHTCAP_ROOTS"):
        world.night(table=named)
    with pytest.raises(SettingsError, match="NIGHTCAP_ROOTS"):
        Tending(TendingSettings(table=named), world.home).compact()
    with pytest.raises(SettingsError, match="NIGHTCAP_ROOTS"):
        roll_back(world.home, RollbackSettings(table=named), "somebody")
    assert not any((tmp_path / name).exists() for name in ("elsewhere", "captions", "mlflow.db"))


def test_20_tables_that_may_be_named(world, tmp_path):
    world.put("a.jpg", image("red"))
    beside = replace(world.home, table=str(tmp_path / "data" / "captions"))
    for home, named in ((world.home, str(tmp_path / "photos/captions")), (beside, beside.table)):
        assert table_of(home, named).uri == named
    with pytest.raises(SettingsError, match="NIGHTCAP_ROOTS"):
        table_of(beside, str(tmp_path / "data" / "others"))


def test_what_the_roots_hold(tmp_path):
    roots = (str(tmp_path), "s3://bucket/in/")
    for uri in (str(tmp_path), str(tmp_path / "a/b"), "s3://bucket/in", "s3://bucket/in/deep/er/"):
        require_inside(uri, roots)
    with pytest.raises(SettingsError, match="no roots"):
        require_inside("s3://bucket/in", ())


def test_roots_from_the_environment(tmp_path):
    environment = {"NIGHTCAP_HOME": str(tmp_path), "NIGHTCAP_ROOTS": " /photos , s3://bucket/in,"}
    assert Home.from_environment(environment).roots == ("/photos", "s3://bucket/in")
    with pytest.raises(SettingsError, match="'photos'"):
        Home.from_environment(environment | {"NIGHTCAP_ROOTS": "photos"})
