"""Manifests instead of listings."""

import csv
import gzip
import io
import tracemalloc
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
        ([["key", "etag", "size"], ["a.jpg", "x", "many"]], r"none of its 1 rows can be used; .*:2: size is 'many'"),
        ([["key", "etag", "size"], ["a.jpg", "x"]], "more or fewer fields than there are columns"),
        ([["key", "etag", "size"], ["a.jpg", "null", ""]], "it has no etag and no size"),
        ([], "has the columns none; it needs"),
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


ROWS = (
    ("Key", "ETag", "Size", "Last_Modified"),
    ("in/Caf\u00e9, Stra\u00dfe.jpg", "abc", "12", "2026-11-23T02:00:00Z"),
)


def table(delimiter, rows=ROWS):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
@pytest.mark.parametrize("text", [*map(table, ",;\t|"), f"sep=;\r\n{table(';')}", f"\r\n{table(',')}\r\n"])
def test_csv_as_spreadsheets_write_it(tmp_path, bucket, text, encoding):
    (tmp_path / "m.csv").write_bytes(text.encode(encoding))
    (tmp_path / "m.csv.gz").write_bytes(gzip.compress(text.encode(encoding)))
    for name in ("m.csv", "m.csv.gz"):
        (info,) = Manifest(str(tmp_path / name), bucket, [str(tmp_path)])
        assert (info.name, info.etag, info.size, info.modified) == ("Caf\u00e9, Stra\u00dfe.jpg", "abc", 12, NIGHT)


def test_a_manifest_in_a_bucket_is_read_as_one_on_disk(s3):
    store, uri = s3
    name, _, prefix = uri.removeprefix("s3://").partition("/")
    store.client().put_object(Bucket=name, Key=f"{prefix}/m.csv", Body=f"sep=;\r\n{table(';')}".encode("utf-16"))
    (info,) = Manifest(f"{uri}/m.csv", S3Folder("s3://bucket/in"), [uri])
    assert (info.name, info.modified) == ("Caf\u00e9, Stra\u00dfe.jpg", NIGHT)


def test_another_code_page_is_refused(tmp_path, bucket):
    (tmp_path / "m.csv").write_bytes(
        "key,etag,size\nin/\u0441\u043e\u0431\u0430\u043a\u0430.jpg,x,1\n".encode("cp1251")
    )
    with pytest.raises(SettingsError, match=r"cannot read manifest .*m.csv: byte 17 is no UTF-8 .*; save it as UTF-8"):
        list(Manifest(str(tmp_path / "m.csv"), bucket, [str(tmp_path)]))


@pytest.mark.parametrize(
    "row",
    [
        ["a\nb, c.jpg", "x", "1", "2026-11-23T02:00:00Z"],
        ["a.jpg", ' "x" ', " 0012 ", " 2026-11-23 02:00:00 "],
        ["a.jpg", "x", "12.0", "2026-11-23T03:00:00+01:00"],
        ["a.jpg", "x", "12", "null"],
        ["a.jpg", "x", "12", "\\N"],
        ["a.jpg", "x", "12", ""],
        ["a.jpg", "x", "12", "2026-11-23T02:00:00.000Z", "", ""],
        ["null", "x", "12", "NULL"],
    ],
)
def test_usable_rows(tmp_path, row):
    path = write_csv(tmp_path / "m.csv", ["key", "etag", "size", "last_modified"], row)
    manifest = Manifest(str(path), LocalFolder(tmp_path), [str(tmp_path)])
    (info,) = manifest
    assert (info.name, info.etag.strip('"')) == (row[0], "x")
    assert info.size in {1, 12}
    assert info.modified == (NIGHT if "2026" in row[3] else datetime(1970, 1, 1, tzinfo=UTC))
    assert not manifest.ignored.count


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (["b.jpg", "x", "1", "yesterday"], "modified is 'yesterday'"),
        (["b.jpg", "x", "1", "30828-09-14T02:48:05Z"], "modified is '30828-09-14T02:48:05Z'"),
        (["b.jpg", "x", "1", "1700000000"], "modified is '1700000000'"),
        (["b.jpg", "x", "-1", ""], "size is '-1'"),
        (["b.jpg", "x", "1,024", ""], "size is '1,024'"),
        (["b.jpg", "x", "9" * 30, ""], f"size is '{'9' * 30}'"),
        (["b.jpg", "NULL", "1", ""], "it has no etag"),
        (["b.jpg", "x", "\\N", ""], "it has no size"),
        (["", "x", "1", ""], "it has no key"),
        (["b.jpg", "x"], "it has more or fewer fields than there are columns"),
        (["b.jpg", "x", "1", "", "more"], "it has more or fewer fields than there are columns"),
    ],
)
def test_one_unusable_row_is_ignored_and_told(tmp_path, caplog, row, why):
    """Also the last of many thousands, which are read some at once."""
    good = [[f"{number}.jpg", "x", "1", "2026-11-23T02:00:00Z"] for number in range(3)]
    path = write_csv(tmp_path / "m.csv", ["key", "etag", "size", "last_modified"], *good, row)
    manifest = Manifest(str(path), LocalFolder(tmp_path), [str(tmp_path)])
    assert [info.name for info in manifest] == ["0.jpg", "1.jpg", "2.jpg"]
    assert manifest.ignored.reasons == {"unusable_row": 1}
    assert f"1 of 4 rows are ignored; the first, {path}:5: {why}" in caplog.text


def test_a_flag_that_is_none_makes_a_row_unusable(tmp_path, bucket):
    rows = [["in/a.jpg", "x", "1", "true"], ["in/b.jpg", "x", "1", "wahr"], ["in/c.jpg", "x", "1", "null"]]
    path = write_csv(tmp_path / "m.csv", ["key", "etag", "size", "is_latest"], *rows)
    manifest = Manifest(str(path), bucket, [str(tmp_path)])
    assert [info.name for info in manifest] == ["a.jpg", "c.jpg"]
    assert manifest.ignored.examples == {"unusable_row": ["in/b.jpg"]}


def test_parquet_with_values_as_text(tmp_path, bucket):
    rows = {
        "key": ["in/a.jpg", "in/b.jpg", None],
        "etag": ["x", "NULL", "x"],
        "size": [" 5", "4", "3"],
        "last_modified": ["2026-11-23 02:00:00", None, ""],
    }
    pq.write_table(pa.table(rows), tmp_path / "m.parquet")
    manifest = Manifest(str(tmp_path / "m.parquet"), bucket, [str(tmp_path)])
    assert [(info.name, info.size, info.modified) for info in manifest] == [("a.jpg", 5, NIGHT)]
    assert manifest.ignored.examples == {"unusable_row": ["in/b.jpg", f"{tmp_path}/m.parquet: row 3"]}


def test_memory_does_not_grow_with_the_rows(tmp_path):
    path = tmp_path / "m.csv"
    row = f"{'folder/' * 20}a.jpg,{'e' * 32},1\n"
    path.write_text("key,etag,size\n" + row * 10_000)
    tracemalloc.start()
    try:
        assert sum(1 for _ in Manifest(str(path), LocalFolder(tmp_path), [str(tmp_path)])) == 10_000
        assert tracemalloc.get_traced_memory()[1] < path.stat().st_size
    finally:
        tracemalloc.stop()
