"""Pages of a bucket, on a canned server; hostile names and the real store's tests are in tests/faults."""

import threading
from dataclasses import replace
from math import inf

import pytest

from pipeline.core.errors import BadInput, ObjectUnavailable, SourceChanged
from pipeline.storage.objects import Exclusions, S3Folder, images_of
from pipeline.storage.objects.image_names import HEAD_BYTES
from pipeline.storage.objects.s3_client import BadBody, read_body
from tests.faulty_proxy import Faults, faulty_proxy


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
    assert folder.ignored.count == 0


def test_20_5_a_body_without_a_length_is_read_no_further_than_allowed(bucket, monkeypatch):
    """Nor one of which a store sends more than it was asked for."""
    bucket.objects = {"a.jpg": b"x" * 8_000_000}
    bucket.unsized = {"a.jpg"}
    taken = []

    def counting(body, end, most=inf):
        taken.append(len(data := read_body(body, end, most)))
        return data

    monkeypatch.setattr("pipeline.storage.objects.s3.read_body", counting)
    folder = S3Folder("s3://bucket")
    (listed,) = folder.list()
    with pytest.raises(BadInput, match="1,000 are allowed"):
        folder.get("a.jpg", 1000)
    assert folder.head(listed) == b"x" * HEAD_BYTES
    with pytest.raises(BadBody):
        folder._get(replace(listed, size=5000), inf)
    assert taken[:2] == [1001, HEAD_BYTES]
    assert max(taken) == 5001
    assert folder.get("a.jpg") == b"x" * 8_000_000


@pytest.fixture
def folder(bucket):
    bucket.objects = {f"in/{number}.jpg": b"image" for number in range(5)}
    return S3Folder("s3://bucket/in", patience_s=12)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((400, "InvalidRequest"), "unavailable"),
        ((400, "InvalidArgument"), "unavailable"),
        ((400, "KMS.DisabledException"), "unavailable"),
        ((403, "KMS.AccessDeniedException"), "unavailable"),
        ((405, "MethodNotAllowed"), "unavailable"),
        ((409, "Conflict"), "unavailable"),
        ((301, "PermanentRedirect"), "unavailable"),
        ((307, "TemporaryRedirect"), "unavailable"),
        ((403, "InvalidObjectState"), "archived"),
        ((403, "AccessDenied"), "forbidden"),
    ],
)
def test_an_answer_about_one_object_is_its_own(bucket, folder, answer, reason):
    bucket.refused = {"in/0.jpg": answer}
    first, *others = folder.list()
    for _ in range(2):  # before any other was read, and after
        with pytest.raises(BadInput, match=f"answers {answer[0]} {answer[1]}") as caught:
            folder.read(first)
        assert caught.value.reason == reason
        assert {folder.read(info) for info in others} == {b"image"}


@pytest.mark.parametrize("answer", [(400, "InvalidRequest"), (405, "MethodNotAllowed"), (409, "Conflict")])
def test_an_answer_that_all_objects_give_is_the_store_s_fault(bucket, folder, answer):
    infos = list(folder.list())
    assert folder.read(infos[1]) == b"image"
    bucket.refused = dict.fromkeys(bucket.objects, answer)
    for info in infos:
        with pytest.raises(ObjectUnavailable, match="check AWS_ENDPOINT_URL"):
            folder.read(info)


def test_a_body_that_never_fits_its_length_is_damaged(bucket, folder, monkeypatch):
    monkeypatch.setattr("pipeline.storage.objects.retry._LONGEST_PAUSE_S", 0.01)
    bucket.cut = {"in/0.jpg"}
    first, *_ = folder.list()
    with pytest.raises(BadInput, match=r"failed 5 times: .* sends other bytes") as caught:
        folder.read(first)
    assert caught.value.reason == "damaged"


def test_21_2_a_gateway_may_leave_the_etag_out_or_weaken_it(bucket, folder):
    first, second, third, *_ = folder.list()
    bucket.headers = {"in/0.jpg": {}, "in/1.jpg": {"ETag": f'W/"{second.etag}"'}, "in/2.jpg": {"ETag": '"other"'}}
    assert [folder.read(info) for info in (first, second)] == [b"image"] * 2
    with pytest.raises(SourceChanged, match="is other"):
        folder.read(third)


def test_21_2_an_answer_without_a_body_is_one_object_s_fault(bucket, folder, monkeypatch):
    monkeypatch.setattr("pipeline.storage.objects.retry._LONGEST_PAUSE_S", 0.01)
    first, second, *_ = folder.list()
    bucket.refused = {"in/0.jpg": (204, "NoContent")}
    with pytest.raises(BadInput) as caught:
        folder.read(first)
    assert caught.value.reason in {"source_changed", "damaged"}
    assert folder.read(second) == b"image"


@pytest.fixture
def faulty(bucket, monkeypatch):
    """The same folder behind a proxy, which may answer what a request holds with 500 or 503."""
    monkeypatch.setattr("pipeline.storage.objects.s3_client._TRIES", 1)  # of the AWS client
    monkeypatch.setattr("pipeline.storage.objects.retry._LONGEST_PAUSE_S", 0.01)
    bucket.objects = {f"in/{number}.jpg": b"image" for number in range(5)}
    faults = Faults()
    with faulty_proxy(bucket.endpoint, faults) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        yield S3Folder("s3://bucket/in"), faults


def test_21_2_objects_that_alone_answer_500_cost_a_few_tries_and_later_ones_fewer(faulty):
    folder, faults = faulty
    first, second, *others = folder.list()
    for info, tries in ((first, 5), (second, 3)):
        faults.only, faults.errors, faults.struck = f"GET /bucket/in/{info.name}", 1, 0
        for read in (folder.read, folder.head)[: 1 if info is first else 2]:
            with pytest.raises(
                BadInput, match=f"failed {tries} times: .* answers 500 .* gives other objects"
            ) as caught:
                read(info)
            assert caught.value.reason == "unavailable"
        assert faults.struck == (tries if info is first else 2 * tries)
        assert {folder.read(each) for each in others} == {b"image"}


def test_21_2_faults_of_the_store_are_no_evidence_against_a_later_object(faulty, monkeypatch):
    """A store that fails for a while after one object was at fault quarantines no other one."""
    folder, faults = faulty
    first, second, *_ = folder.list()
    faults.only, faults.errors = f"GET /bucket/in/{first.name}", 1
    with pytest.raises(BadInput):
        folder.read(first)
    faults.only, faults.struck = "GET /bucket", 0
    monkeypatch.setattr("pipeline.storage.objects.retry.time.sleep", lambda _: faults.struck > 40 and mend(faults))
    assert folder.read(second) == b"image"
    assert faults.struck > 40


def mend(faults):
    faults.errors = 0


def test_21_2_one_object_for_which_the_store_is_always_busy_is_at_fault_at_the_end_of_the_patience(faulty):
    _, faults = faulty
    folder = S3Folder("s3://bucket/in", patience_s=10)
    first, *_ = folder.list()
    faults.only, faults.throttles = "GET /bucket/in/0.jpg", 1
    folder._patience.seconds = 1.5 + folder._patience.longest_try_s  # ten is the least that may be set
    with pytest.raises(BadInput, match=r"gave up after .* gives other objects") as caught:
        folder.read(first)
    assert caught.value.reason == "unavailable"


def test_a_store_that_answers_500_for_all_is_waited_for(faulty):
    folder, faults = faulty
    first, *_ = folder.list()
    folder._patience.seconds = 1.5 + folder._patience.longest_try_s
    faults.errors = 1
    with pytest.raises(ObjectUnavailable, match="try again when the object store answers"):
        folder.read(first)


def test_system_folders_and_keys_that_come_twice_are_ignored(bucket):
    names = ["@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "x/$Recycle.Bin/b.jpg", "._c.jpg", "d.jpg", "private/e.jpg"]
    bucket.objects = {f"in/{name}": b"" for name in names}
    folder = S3Folder("s3://bucket/in", exclusions=Exclusions(["private"]))
    assert [info.name for info in folder.list()] == ["d.jpg"]
    assert folder.ignored.reasons == {"system_folder": 2, "excluded": 1}
    assert list(folder.folders()) == []


def test_names_that_say_nothing_cost_a_few_bytes_and_others_none(bucket):
    photo = b"\xff\xd8\xff" + bytes(1000)
    bucket.objects = {
        "photo.jpg_large": photo,
        "README": b"# text" + bytes(100),
        "a.jpg": photo,
        "b.txt": b"",
        "empty": b"",
    }
    folder = S3Folder("s3://bucket")
    assert [info.name for info in images_of(folder)] == ["a.jpg", "photo.jpg_large"]
    assert folder.ignored.reasons == {"other_type": 1, "not_an_image": 2}
    first, *others = [path for _, path in bucket.asked]
    assert first == "/bucket"
    assert sorted(others) == ["/bucket/README", "/bucket/photo.jpg_large"]  # asked for at once
