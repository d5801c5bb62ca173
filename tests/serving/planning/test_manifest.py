"""Manifests instead of listings."""

import csv
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import SettingsError
from pipeline.storage.objects import LocalFolder, S3Folder
from serving.planning.manifest import Manifest

NIGHT = datetime(2026, 11, 23, 2, tzinfo=UTC)


@pytest.fixture
def bucket(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    return S3Folder("s3://bucket/in")


def write_csv(path, *rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_csv(tmp_path, bucket):
    path = write_csv(
        tmp_path / "m.csv",
        ["Key", "Size", "ETag", "LastModified", "StorageClass"],
        ["in/a,b.jpg", "12", '"abc"', "2026-11-23T02:00:00.000Z", "STANDARD"],
        ["in/notes.txt", "12", "abc", "2026-11-23T02:00:00Z", ""],
        ["out/c.jpg", "12", "abc", "2026-11-23T02:00:00Z", ""],
        ["in/.git/c.jpg", "12", "abc", "2026-11-23T02:00:00Z", ""],
        ["in/", "", "", "2026-11-23T02:00:00Z", ""],
        ["in/sub/../d", "3", "def-2", "2026-11-23T02:00:00+00:00", ""],
    )
    manifest = Manifest(str(path), bucket, [str(tmp_path)])
    first, second = manifest
    assert (first.name, first.uri, first.etag, first.size) == ("a,b.jpg", "s3://bucket/in/a,b.jpg", "abc", 12)
    assert first.modified == NIGHT
    assert (second.name, second.etag) == ("sub/../d", "def-2")
    assert manifest.ignored.reasons == {"other_type": 2, "outside_input": 1, "unusable_row": 1}


def test_parquet_as_s3_inventory_writes_it(tmp_path, bucket):
    rows = {
        "bucket": ["bucket", "bucket", "bucket", "other"],
        "key": ["in/a.jpg", "in/a.jpg", "in/b.jpg", "in/c.jpg"],
        "is_latest": [True, False, True, True],
        "is_delete_marker": [False, False, True, False],
        "size": [5, 4, None, 3],
        "last_modified_date": pa.array([NIGHT] * 4, pa.timestamp("ms")),
        "e_tag": ["x", "w", None, "y"],
        "storage_class": ["STANDARD"] * 4,
    }
    pq.write_table(pa.table(rows), tmp_path / "m.parquet")
    manifest = Manifest(str(tmp_path / "m.parquet"), bucket, [str(tmp_path)])
    assert [(info.name, info.etag, info.modified) for info in manifest] == [("a.jpg", "x", NIGHT)]
    assert manifest.ignored.reasons == {"not_latest": 2, "outside_input": 1}


def test_of_a_local_folder_and_without_times(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"data")
    folder = LocalFolder(tmp_path)
    (listed,) = folder.list()
    path = write_csv(tmp_path / "m.csv", ["key", "etag", "size"], [listed.name, listed.etag, listed.size])
    (info,) = Manifest(str(path), folder, [str(tmp_path)])
    assert folder.read(info) == b"data"
    assert (info.uri, info.modified.year) == (listed.uri, 1970)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["key", "size"], ["a.jpg", "1"]], "needs each of key, etag and size"),
        ([["key", "etag", "size", "e_tag"], ["a.jpg", "1", "1", "1"]], "once"),
        ([["key", "etag", "size"], ["a.jpg", "x", "many"]], "cannot read manifest"),
        ([["key", "etag", "size"], ["a.jpg", "x"]], "cannot read manifest"),
        ([], "cannot read manifest"),
    ],
)
def test_malformed(tmp_path, rows, words):
    path = write_csv(tmp_path / "m.csv", *rows)
    with pytest.raises(SettingsError, match=words):
        list(Manifest(str(path), LocalFolder(tmp_path), [str(tmp_path)]))


def test_no_parquet_and_no_file(tmp_path):
    (tmp_path / "m.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(SettingsError, match="cannot read manifest"):
        list(Manifest(str(tmp_path / "m.parquet"), LocalFolder(tmp_path), [str(tmp_path)]))
    with pytest.raises(SettingsError, match="is no file"):
        Manifest(str(tmp_path / "gone.csv"), LocalFolder(tmp_path), [str(tmp_path)])


def test_a_local_path_has_one_spelling(tmp_path):
    """Else a forgotten image, or one that was captioned, comes again under another address."""
    keys = ["a/../ok.jpg", "./ok.jpg", "a//b/./ok.jpg", "ok.jpg", "../ok.jpg", "a/../../ok.jpg"]
    path = write_csv(tmp_path / "m.csv", ["key", "etag", "size"], *([key, "x", "1"] for key in keys))
    manifest = Manifest(str(path), LocalFolder(tmp_path), [str(tmp_path)])
    assert [info.name for info in manifest] == ["ok.jpg", "ok.jpg", "a/b/ok.jpg", "ok.jpg", *keys[4:]]
