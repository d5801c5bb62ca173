"""Pages of a bucket, on a canned server; hostile names and the real store's tests are in tests/faults."""

import threading

import pytest

from pipeline.core.errors import SourceChanged
from pipeline.storage.objects import S3Folder


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
