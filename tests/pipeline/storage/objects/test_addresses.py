"""Addresses of folders."""

import json
import subprocess
import sys

import pytest

from pipeline.core.errors import SettingsError
from pipeline.storage.objects import address_of, open_folder, require_inside


@pytest.mark.parametrize(
    ("uri", "complaint"),
    [
        ("S3://bucket/night", "S3: is not supported"),
        ("s3://", "no address"),
        ("s3://a/b", "no address"),
        ("s3://bucket/../other", "no address"),
        ("s3://user:secret@host/x", "no address"),
        ("s3://arn:aws:s3:us-east-1:123456789012:accesspoint/x", "no address"),
        ("https://example.org/a", "https: is not supported"),
        ("ftp://example.org/a", "ftp: is not supported"),
        ("file:///etc", "file: is not supported"),
        ("file:/etc", "name a local folder by its path"),
        ("", "empty"),
        ("/nonexistent/images", "does not exist"),
    ],
)
def test_other_addresses_are_refused(uri, complaint):
    with pytest.raises(SettingsError, match=complaint):
        open_folder(uri)


def test_opening_a_local_folder_imports_no_aws_library():
    code = "import sys, json, pipeline.storage.objects as o; o.open_folder('/'); print(json.dumps([n for n in sys.modules if n.startswith('boto')]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_an_address_must_lie_in_a_root(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root/link").symlink_to(tmp_path)
    roots = [str(tmp_path / "root"), "s3://bucket/in"]
    for uri in (str(tmp_path / "root/a"), str(tmp_path / "root/../root"), "s3://bucket/in", "s3://bucket/in/a"):
        require_inside(uri, roots)
    for uri in (str(tmp_path), str(tmp_path / "root/link"), "s3://bucket/inner", "s3://other/in"):
        with pytest.raises(SettingsError, match="lies in none of"):
            require_inside(uri, roots)


def test_an_address_is_the_folder_s_own(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    assert address_of(str(tmp_path / "link")) == open_folder(str(tmp_path / "link")).uri == str(tmp_path)
    assert address_of("s3://bucket/a/") == "s3://bucket/a"
