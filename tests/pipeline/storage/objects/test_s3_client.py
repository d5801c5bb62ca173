"""Clients and their errors."""

import time

import pytest

from pipeline.core.errors import ObjectUnavailable, SettingsError
from pipeline.storage.objects import S3Folder


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


def test_missing_credentials_are_refused_at_once(bucket, monkeypatch, tmp_path):
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
