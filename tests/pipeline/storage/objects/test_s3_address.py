"""Addresses of prefixes in buckets."""

import pytest

from pipeline.core.errors import SettingsError
from pipeline.storage.objects.s3_address import S3Address


@pytest.mark.parametrize(
    ("uri", "bucket", "prefix"),
    [("s3://bucket", "bucket", ""), ("s3://a-bucket/in/2026/", "a-bucket", "in/2026/"), ("s3://abc/x", "abc", "x/")],
)
def test_a_prefix_is_empty_or_ends_with_a_slash(uri, bucket, prefix):
    address = S3Address.parse(uri)
    assert (address.bucket, address.prefix) == (bucket, prefix)
    assert str(address) == uri.rstrip("/")


@pytest.mark.parametrize(
    "uri", ["s3://", "s3://b", "s3:///in", "s3://bucket/a//b", "s3://bucket/../x", "s3://bucket/a\n"]
)
def test_other_texts_are_no_address(uri):
    with pytest.raises(SettingsError, match="is no address in an object store"):
        S3Address.parse(uri)
