"""Manifests instead of listings."""

import csv
import gzip
import io
import json
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
    assert manifest.ignored == 4


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
    assert manifest.ignored == 3


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


ROWS = [
    ["bucket", "in/caf%C3%A9+%2B1%25.jpg", "", "true", "false", "12", "2026-11-23T02:00:00.000Z", "abc"],
    ["bucket", "in/gone.jpg", "v2", "true", "true", "", "2026-11-23T02:00:00.000Z", ""],
    ["bucket", "in/a.jpg", "v1", "false", "false", "12", "2026-11-22T02:00:00.000Z", "old"],
]
SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag"


def inventory(names, kind="CSV", schema=SCHEMA):
    """A manifest.json as S3 Inventory writes it."""
    files = [{"key": f"lists/bucket/daily/data/{name}", "size": 1, "MD5checksum": "0"} for name in names]
    shape = {"fileFormat": kind, "fileSchema": schema, "files": files}
    return json.dumps(
        {"sourceBucket": "bucket", "destinationBucket": "arn:aws:s3:::lists", "version": "2016-11-30", **shape}
    )


def part(rows):
    """A gzipped CSV without a header, every cell in quotes."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return gzip.compress(text.getvalue().encode())


def put_local(root, name, data):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def check(manifest):
    """Two files of the same three rows."""
    infos = list(manifest)
    assert {(info.name, info.etag, info.size, info.modified) for info in infos} == {("café +1%.jpg", "abc", 12, NIGHT)}
    assert (len(infos), manifest.ignored) == (2, 4)


def test_an_s3_inventory_as_csv(tmp_path, bucket):
    """Copied with its folders, and all in one folder."""
    for number in (1, 2):
        put_local(tmp_path, f"daily/data/{number}.csv.gz", part(ROWS))
        put_local(tmp_path, f"flat/{number}.csv.gz", part(ROWS))
    for place in ("daily/2026-11-23T01-00Z", "flat"):
        path = put_local(tmp_path, f"{place}/manifest.json", inventory(["1.csv.gz", "2.csv.gz"]).encode())
        check(Manifest(str(path), bucket, [str(tmp_path)]))


def test_an_s3_inventory_where_it_is(s3):
    store, uri = s3
    name, _, prefix = uri.removeprefix("s3://").partition("/")
    described = inventory(["1.csv.gz", "2.csv.gz"]).replace("lists/", f"{prefix}/lists/")
    objects = {"manifest.json": described.encode(), "data/1.csv.gz": part(ROWS), "data/2.csv.gz": part(ROWS)}
    for key, data in objects.items():
        store.client().put_object(Bucket=name, Key=f"{prefix}/lists/bucket/daily/{key}", Body=data)
    folder, manifest = S3Folder("s3://bucket/in"), f"{uri}/lists/bucket/daily/manifest.json"
    check(Manifest(manifest, folder, [uri]))
    with pytest.raises(SettingsError, match="NIGHTCAP_ROOTS"):
        Manifest(manifest, folder, [f"{uri}/lists/bucket/daily/manifest.json"])
    with pytest.raises(SettingsError, match="is not there"):
        Manifest(f"{uri}/none/manifest.json", folder, [uri])


def test_an_s3_inventory_as_parquet(tmp_path, bucket):
    rows = {"key": ["in/a+b.jpg"], "size": [5], "e_tag": ["x"]}
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table(rows), tmp_path / "data" / "1.parquet")
    path = put_local(
        tmp_path, "now/manifest.json", inventory(["1.parquet"], "Parquet", "message s3.inventory {}").encode()
    )
    (info,) = Manifest(str(path), bucket, [str(tmp_path)])
    assert (info.name, info.etag) == ("a+b.jpg", "x")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", inventory(["1.orc"], "ORC"), inventory([]).replace("files", "others")]
)
def test_no_manifest_of_an_inventory(tmp_path, bucket, text):
    path = put_local(tmp_path, "manifest.json", text.encode())
    with pytest.raises(SettingsError, match=r"is no manifest\.json of an S3 Inventory"):
        Manifest(str(path), bucket, [str(tmp_path)])


def test_a_file_of_an_inventory_that_is_missing(tmp_path, bucket):
    path = put_local(tmp_path, "manifest.json", inventory(["1.csv.gz"]).encode())
    with pytest.raises(SettingsError, match="cannot read manifest"):
        list(Manifest(str(path), bucket, [str(tmp_path)]))
