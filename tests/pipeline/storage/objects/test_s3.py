"""Pages of a bucket, on a canned server; hostile names and the real store's tests are in tests/faults."""

import json
import subprocess
import sys
import threading
import time

import pytest

from pipeline.core.errors import BadInput, ObjectUnavailable, SettingsError, SourceChanged
from pipeline.storage.objects import S3Folder, open_folder


@pytest.mark.parametrize("name", ["../a", "/a", "a//b", "a/./b", "a/..", "", "a\0", "a\nb", "k" * 1025, "\udcff", "a/"])
def test_names_that_may_not_be_written(bucket, tmp_path, name):
    for folder in (S3Folder("s3://bucket/prefix"), open_folder(str(tmp_path))):
        for change in (lambda folder=folder: folder.create(name, b""), lambda folder=folder: folder.delete(name)):
            with pytest.raises(BadInput, match="cannot name an object"):
                change()
    assert not bucket.asked
    assert not list(tmp_path.iterdir())


def test_pages_follow_each_other_and_may_be_left(bucket):
    bucket.objects = {f"in/{number:03d}.jpg": b"" for number in range(100)}
    folder = S3Folder("s3://bucket/in")
    assert [info.name for info in folder.list()] == [f"{number:03d}.jpg" for number in range(100)]
    threads = threading.active_count()
    listing = folder.list()
    next(listing)
    listing.close()
    assert threading.active_count() <= threads + 1
    assert len(bucket.asked) < 40


def test_other_bytes_under_a_listed_name_are_refused(bucket):
    bucket.objects = {"a.jpg": b"one", "b.jpg": b"two"}
    folder = S3Folder("s3://bucket")
    first, second = folder.list()
    bucket.objects = {"a.jpg": b"other"}
    for info in (first, second):
        with pytest.raises(SourceChanged):
            folder.read(info)
    assert folder.ignored == 0


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_ENDPOINT_URL": "http://169.254.169.254"},
        {"AWS_ENDPOINT_URL": "http://[fe80::1]:80"},
        {"AWS_ENDPOINT_URL": "not an address"},
        {"AWS_PROFILE": "nobody"},
    ],
)
def test_an_environment_that_cannot_be_used(monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="AWS"):
        S3Folder("s3://bucket")


def test_no_credentials_are_told_at_once(bucket, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match="no usable AWS credentials"):
        list(S3Folder("s3://bucket").list())
    assert not bucket.asked


def test_nothing_listens(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:canary@127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    folder = S3Folder("s3://bucket", patience_s=20)
    began = time.monotonic()
    with pytest.raises(ObjectUnavailable, match="EndpointConnectionError") as caught:
        list(folder.list())
    assert time.monotonic() - began < 20
    assert "canary" not in str(caught.value)


def test_opening_a_local_folder_imports_no_aws_library():
    code = "import sys, json, pipeline.storage.objects as o; o.open_folder('/'); print(json.dumps([n for n in sys.modules if n.startswith('boto')]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
