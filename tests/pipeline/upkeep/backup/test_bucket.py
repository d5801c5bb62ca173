import pytest
from boto3.exceptions import RetriesExceededError

from pipeline.core.errors import BadInput, ObjectUnavailable, Permanent
from pipeline.storage.files import sha256
from pipeline.storage.objects.retry import TransientError
from pipeline.upkeep.backup.bucket import Bucket
from tests.s3_objects import put

HELD = {".hidden": b"1", "a/MLmodel": b"2" * 9_000_000, "a/b c/\u00e9.json": b""}


def test_a_bucket_becomes_files_and_files_a_bucket(s3, tmp_path):
    store, uri = s3
    prefix = uri.rpartition("/")[2]
    client = store.client()
    for name, data in HELD.items():
        client.put_object(Bucket="pictures", Key=f"{prefix}/{name}", Body=data)
    client.put_object(Bucket="pictures", Key=f"{prefix}/folder/", Body=b"")
    assert Bucket(uri).save(tmp_path / "kept") == len(HELD)
    kept = {str(path.relative_to(tmp_path / "kept")): path.read_bytes() for path in (tmp_path / "kept").rglob("*.*")}
    assert kept.items() <= HELD.items()
    again = Bucket(f"{uri}/again")
    assert again.add(tmp_path / "kept", iter(HELD)) == again.add(tmp_path / "kept", iter(HELD)) == len(HELD)
    assert {name: again.digest(name) for name in again.names()} == {name: sha256(data) for name, data in HELD.items()}


def test_an_object_of_other_content_is_not_written_over(s3, tmp_path):
    _, uri = s3
    bucket = Bucket(uri)
    put(bucket, "there", b"as it was")
    (tmp_path / "there").write_text("other")
    with pytest.raises(Permanent, match=r"there is there with another content"):
        bucket.add(tmp_path, iter(["there"]))
    assert bucket.get("there") == b"as it was"


def test_a_name_that_leads_out_of_the_backup_is_refused(s3, tmp_path, monkeypatch):
    _, uri = s3
    bucket = Bucket(uri)
    monkeypatch.setattr(bucket, "names", lambda: iter(["a/../../../escaped"]))
    with pytest.raises(ObjectUnavailable, match=r"cannot be kept as file"):
        bucket.save(tmp_path / "deep" / "kept")
    assert not (tmp_path / "escaped").exists()


def test_a_name_too_long_for_a_file_is_told(tmp_path, monkeypatch):
    bucket = Bucket("s3://pictures")
    monkeypatch.setattr(bucket, "names", lambda: iter([f"{'x' * 256}/a.jpg"]))
    with pytest.raises(ObjectUnavailable, match=r"File name too long; rename the object"):
        bucket.save(tmp_path)


def test_an_object_that_went_meanwhile_is_left_out_where_that_is_no_loss(s3, tmp_path, monkeypatch):
    bucket = Bucket(s3[1])
    put(bucket, "there", b"an image")
    monkeypatch.setattr(bucket, "names", lambda: iter(["gone", "there"]))
    assert bucket.save(tmp_path / "kept", fleeting=True) == 1
    with pytest.raises(BadInput, match="gone"):
        bucket.save(tmp_path / "kept")


def test_a_download_that_breaks_off_is_tried_again(tmp_path, monkeypatch):
    bucket = Bucket("s3://pictures")

    def broken(*_):
        raise RetriesExceededError(ConnectionResetError("reset"))

    monkeypatch.setattr(bucket, "_client", type("Client", (), {"download_file": staticmethod(broken)}))
    with pytest.raises(TransientError, match=r"the download broke off: reset"):
        bucket._fetch("a.jpg", tmp_path / "a.jpg")


def test_a_bucket_of_millions_is_not_listed_ahead(tmp_path, monkeypatch):
    bucket, listed, ahead = Bucket("s3://pictures"), [], []
    monkeypatch.setattr(bucket, "names", lambda: (listed.append(number) or str(number) for number in range(2500)))
    monkeypatch.setattr(bucket, "_save", lambda name, *_: ahead.append(len(listed) - int(name)) or True)
    assert bucket.save(tmp_path) == 2500
    assert max(ahead) <= 100
