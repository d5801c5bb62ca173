"""Files of a manifest, and of an S3 Inventory."""

import csv
import gzip
import io
import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import SettingsError
from pipeline.storage.objects import S3Folder
from serving.planning.inventory import files_of
from serving.planning.manifest import Manifest

NIGHT = datetime(2026, 11, 23, 2, tzinfo=UTC)


@pytest.fixture
def bucket(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    return S3Folder("s3://bucket/in")


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
    assert (len(infos), manifest.ignored.count) == (2, 4)


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


def test_files_outside_the_roots_are_refused(tmp_path):
    path = put_local(tmp_path / "out", "m.csv", b"key,etag,size\n")
    with pytest.raises(SettingsError, match="NIGHTCAP_ROOTS"):
        files_of(str(path), [str(tmp_path / "in")], 10)


def test_a_plain_file_is_its_own_inventory(tmp_path):
    path = put_local(tmp_path, "m.csv.gz", gzip.compress(b"key,etag,size\n"))
    (file,) = files_of(str(path), [str(tmp_path)], 10)
    assert (file.uri, file.columns, file.is_encoded, file.is_parquet) == (str(path), None, False, False)
    assert file.open().read() == b"key,etag,size\n"
