"""Training images under a prefix in an object store."""

import json
import unicodedata

import pytest

from nightcap.options import settings_from
from pipeline.core.errors import SettingsError
from pipeline.data.sources import image_files
from pipeline.data.sources.coco import CocoJsonSource


def source(folder, *names):
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    captions = [{"image_id": number, "caption": f"image {number}"} for number in range(len(names))]
    (folder / "captions.json").write_text(json.dumps({"images": images, "annotations": captions}))
    (folder / "train.yaml").write_text(
        "source: {kind: coco_json, images: 's3://bucket/photos', train_annotations: captions.json}"
    )
    return CocoJsonSource(settings_from(folder / "train.yaml", []).source)


def test_images_come_in_the_annotations_order_from_one_listing(bucket, tmp_path):
    bucket.objects = {f"photos/{number:03d}.jpg": bytes([number]) for number in range(100)}
    names = [f"{number:03d}.jpg" for number in range(99, -1, -1)]
    made = source(tmp_path, *names, "gone.jpg")
    photographs = list(made.captioned_images())
    assert [photo.data for photo in photographs] == [*(bytes([number]) for number in range(99, -1, -1)), None]
    assert [photo.uri for photo in photographs] == [*names, "gone.jpg"]
    assert dict(made.read(["005.jpg", "gone.jpg", "005.jpg"])) == {"005.jpg": bytes([5]), "gone.jpg": None}
    assert sum(path == "/bucket" for _, path in bucket.asked) == 15, "pages of one listing"


def test_the_fingerprint_follows_the_objects_and_reading_keeps_to_what_was_listed(bucket, tmp_path):
    bucket.objects = {"photos/a.jpg": b"a", "photos/b.jpg": b"b", "photos/other.jpg": b"c"}
    first = source(tmp_path, "a.jpg", "b.jpg")
    before = first.fingerprint()
    bucket.objects["photos/other.jpg"] = b"not named"
    assert source(tmp_path, "a.jpg", "b.jpg").fingerprint() == before
    bucket.objects["photos/a.jpg"] = b"changed"
    assert source(tmp_path, "a.jpg", "b.jpg").fingerprint() != before
    assert [photo.data for photo in first.captioned_images()] == [None, b"b"]


def test_names_are_matched_as_the_eye_sees_them(bucket, tmp_path):
    nfd = unicodedata.normalize("NFD", "é.jpg")
    bucket.objects = {f"photos/{name}": name.encode() for name in ("a/b.jpg", nfd, "c//d.jpg")}
    names = ("photos\\a\\b.jpg", "é.jpg", "s3://bucket/photos/c//d.jpg", "a/B.png")
    made = source(tmp_path, *names)
    assert [(photo.uri, photo.data) for photo in made.captioned_images()] == [
        ("a/b.jpg", b"a/b.jpg"),
        (nfd, nfd.encode()),
        ("c//d.jpg", b"c//d.jpg"),
        ("a/B.png", None),
    ]
    assert made.remark("a/B.png") == "source.images has no file 'a/B.png'; perhaps 'a/b.jpg'"


def test_a_huge_object_is_not_asked_for(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "MOST_BYTES", 3)
    bucket.objects = {"photos/a.jpg": b"abcd", "photos/b.jpg": b"abc"}
    made = source(tmp_path, "a.jpg", "b.jpg")
    assert [photo.data for photo in made.captioned_images()] == [None, b"abc"]
    assert ("GET", "/bucket/photos/a.jpg") not in bucket.asked
    assert made.remark("a.jpg") == "'a.jpg' has 4 bytes; a training reads at most 3"


def test_a_name_that_leads_outside_is_refused(bucket, tmp_path):
    with pytest.raises(SettingsError, match=r"does not stay inside s3://bucket/photos"):
        list(source(tmp_path, "../secret.jpg").captioned_images())
