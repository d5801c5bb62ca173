import json
import os
import re
import unicodedata

import pytest

from pipeline.core.errors import SettingsError
from pipeline.core.settings import SourceSettings
from pipeline.data.sources.coco import CocoJsonSource


@pytest.fixture
def dataset(new_dataset):
    return new_dataset()


def source_of(tmp_path, text):
    (tmp_path / "captions.json").write_text(text)
    return CocoJsonSource(
        SourceSettings(kind="coco_json", images=tmp_path, train_annotations=tmp_path / "captions.json")
    )


def test_photographs_carry_captions_in_order_and_bytes(dataset, image):
    dataset.add("b.png", ["second", "first", "second"], data=image(1))
    dataset.add("sub/a.png", ["a"], data=image(2))
    dataset.add("v.png", ["v"], split="val", data=image(3))
    found = list(dataset.source().captioned_images())
    assert [photo.image for photo in found] == [photo.uri for photo in found] == ["b.png", "sub/a.png", "v.png"]
    assert [photo.split for photo in found] == ["train", "train", "val"]
    assert found[0].captions == ("second", "first", "second")
    assert found[1].data == image(2)


def test_a_missing_image_has_no_data(dataset, image):
    dataset.add("gone.png")
    dataset.add("folder/there.png", data=image(1))
    dataset.add("folder")
    assert [photo.data for photo in dataset.source().captioned_images()] == [None, image(1), None]


def test_one_name_in_several_splits_stays_several_photographs(dataset, image):
    for split in ("train", "val", "test"):
        dataset.add("same.png", split=split, data=image(1))
    found = {photo.split: (photo.image, photo.uri) for photo in dataset.source().captioned_images()}
    assert found == {
        "train": ("train:same.png", "same.png"),
        "val": ("val:same.png", "same.png"),
        "test": ("same.png", "same.png"),
    }


def test_entries_naming_one_file_are_one_photograph(dataset, image):
    dataset.add("a.png", ["one"], data=image(1))
    dataset.add("./a.png", ["two"])
    assert [(photo.image, photo.captions) for photo in dataset.source().captioned_images()] == [
        ("a.png", ("one", "two"))
    ]


@pytest.mark.parametrize(
    ("written", "there"),
    [
        ("images\\a.png", "a.png"),
        (".\\sub\\a.png", "sub/a.png"),
        ("sub\\a.png", "sub/a.png"),
        ("images/sub/a.png", "sub/a.png"),
        ("sub//./a.png", "sub/a.png"),
        (unicodedata.normalize("NFC", "é/é.png"), unicodedata.normalize("NFD", "é/é.png")),
        (unicodedata.normalize("NFD", "é.png"), unicodedata.normalize("NFC", "é.png")),
        ("images\\" + unicodedata.normalize("NFD", "é.png"), unicodedata.normalize("NFC", "é.png")),
        ("{images}/sub/a.png", "sub/a.png"),
        ("{above}/images/a.png", "a.png"),
        ("{linked}/a.png", "a.png"),
        ("a\\b.png", "a\\b.png"),
    ],
)
def test_a_name_that_only_looks_different_is_its_image(dataset, image, written, there):
    dataset.add(there, data=image(1))
    (dataset.folder / "linked").symlink_to("images")
    folders = {"images": dataset.images, "above": dataset.folder.parent / dataset.folder.name}
    dataset.entries["train"] = [(written.format(linked=dataset.folder / "linked", **folders), ["a caption"])]
    found = list(dataset.source().captioned_images())
    assert [(photo.image, photo.uri, photo.data) for photo in found] == [(there, there, image(1))]


def test_captions_of_two_spellings_join_and_exact_names_come_first(dataset, image):
    composed, decomposed = (unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))
    dataset.add("sub/a.png", ["one"], data=image(1))
    dataset.add("sub\\a.png", ["two"])
    dataset.add(composed, ["composed"], data=image(2))
    dataset.add(decomposed, ["decomposed"], data=image(3))
    found = {photo.uri: (photo.captions, photo.data) for photo in dataset.source().captioned_images()}
    assert found == {
        "sub/a.png": (("one", "two"), image(1)),
        composed: (("composed",), image(2)),
        decomposed: (("decomposed",), image(3)),
    }


def test_a_name_that_matches_nothing_is_said_with_the_likely_one(dataset, image, caplog):
    dataset.add("images/a.png", data=image(1))
    dataset.add("a.png")
    dataset.add("b.png", data=image(2))
    dataset.add("B.jpeg")
    dataset.add("qqqqqqqqqqq.tif")
    source = dataset.source()
    remarks = [source.remark(name) for name in ("a.png", "b.png", "B.jpeg", "qqqqqqqqqqq.tif")]
    assert remarks == [
        "source.images has no file 'a.png'; perhaps 'images/a.png'",
        None,
        "source.images has no file 'B.jpeg'; perhaps 'b.png'",
        "source.images has no file 'qqqqqqqqqqq.tif'",
    ]
    assert "3 of its images are not in source.images: 'a.png' (perhaps 'images/a.png'), 'B.jpeg'" in caplog.text


def test_system_folders_and_what_globs_name_are_left_out(dataset, image, caplog):
    wanted = ["a/photo.png", "b/photo.png"]
    system = ["@eaDir/photo.png/thumbnail.png", "a/#recycle/photo.png", "$Recycle.bin/photo.png"]
    for name in ("private/photo.png", *system, "a/photo_small.png", *wanted):
        dataset.add(name, data=image(1))
    entries = dataset.entries["train"]
    entries[-1] = ("b\\photo.png", ["a caption"])
    entries[0] = ("images/private/photo.png", ["a caption"])
    source = dataset.source(exclude=("/private", "*_small.png"), max_images=10)
    assert [photo.uri for photo in source.captioned_images()] == wanted
    assert "train.json: 3 images are left out as system_folder" in caplog.text
    assert "train.json: 2 images are left out as excluded" in caplog.text
    assert source.fingerprint() != dataset.source(exclude=("/private",)).fingerprint()


def test_a_malformed_glob_is_refused(dataset):
    with pytest.raises(ValueError, match="'//' names nothing"):
        dataset.settings(exclude=("//",))


def test_what_is_no_plain_file_or_huge_is_not_read(dataset, image):
    os.mkfifo(dataset.images / "pipe.png")
    with (dataset.images / "huge.png").open("wb") as file:
        file.truncate(10**12)
    for name in ("pipe.png", "huge.png"):
        dataset.add(name)
    dataset.add("a.png", data=image(1))
    source = dataset.source()
    assert [photo.data for photo in source.captioned_images()] == [None, None, image(1)]
    assert "source.images has no file 'pipe.png'" in source.remark("pipe.png")
    assert source.remark("huge.png") == (
        "'huge.png' has 1,000,000,000,000 bytes; a training reads at most 1,100,000,000"
    )
    assert source.remark("a.png") is None


def test_a_link_that_leads_outside_after_it_was_listed_is_not_followed(dataset, image):
    dataset.add("sub/a.png", data=image(1))
    source = dataset.source()
    photographs = source.captioned_images()
    assert source.fingerprint()
    (dataset.images / "sub" / "a.png").unlink()
    (dataset.folder / "secret.png").write_bytes(image(2))
    (dataset.images / "sub" / "a.png").symlink_to(dataset.folder / "secret.png")
    with pytest.raises(SettingsError, match=r"'sub/a\.png', which does not stay inside"):
        list(photographs)


def test_max_images_is_per_split(dataset):
    dataset.fill(12, "train")
    dataset.fill(11, "test")
    splits = [photo.split for photo in dataset.source(max_images=10).captioned_images()]
    assert splits == ["train"] * 10 + ["test"] * 10


def test_read_gives_each_uri_once(dataset, image):
    dataset.add("a.png", data=image(1))
    assert list(dataset.source().read(["a.png", "b.png", "a.png"])) == [("a.png", image(1)), ("b.png", None)]


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.png", "a/../../x.png", "", ".", "a\0b.png"])
def test_names_that_leave_the_folder_are_refused(dataset, name):
    dataset.fill(1)
    dataset.entries["train"].append((name, ["a caption"]))
    with pytest.raises(SettingsError, match=r"train\.json: images\[1\].*" + re.escape(repr(name))):
        list(dataset.source().captioned_images())


def test_symbolic_links_may_stay_inside_but_not_leave(dataset, image):
    (dataset.images / "inside.png").write_bytes(image(1))
    (dataset.images / "link.png").symlink_to("inside.png")
    dataset.add("link.png")
    assert next(iter(dataset.source().captioned_images())).data == image(1)
    (dataset.folder / "secret.png").write_bytes(image(2))
    (dataset.images / "away.png").symlink_to(dataset.folder / "secret.png")
    dataset.add("away.png")
    with pytest.raises(SettingsError, match=r"images\[1\] has file_name 'away.png'"):
        list(dataset.source().captioned_images())


def test_read_cannot_be_led_outside(dataset):
    dataset.fill(1)
    with pytest.raises(SettingsError, match="does not stay inside"):
        list(dataset.source().read(["../train.json"]))


GOOD = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"image_id": 1, "caption": "a"}]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Invalid JSON"),
        ('{"images": [', "Invalid JSON"),
        ("[]", "captions.json"),
        (json.dumps({"images": []}), "annotations: Field required"),
        (json.dumps(GOOD | {"images": [{"id": 1}]}), r"images\[0\].file_name: Field required"),
        (json.dumps(GOOD | {"annotations": [{"image_id": 1}]}), r"annotations\[0\].caption: Field required"),
        (json.dumps(GOOD | {"annotations": [{"image_id": 1, "caption": None}]}), r"annotations\[0\].caption"),
        (json.dumps(GOOD | {"annotations": [{"image_id": 1, "caption": "\ud800"}]}), "Invalid JSON"),
        (json.dumps(GOOD | {"images": [*GOOD["images"], {"id": 1, "file_name": "b.png"}]}), "repeat the id"),
    ],
)
def test_malformed_annotations_are_told_in_one_line(tmp_path, text, told):
    with pytest.raises(SettingsError, match=told) as caught:
        list(source_of(tmp_path, text).captioned_images())
    assert str(tmp_path / "captions.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_are_told(tmp_path):
    with pytest.raises(SettingsError, match="nowhere"):
        CocoJsonSource(SourceSettings(kind="coco_json", images=tmp_path / "nowhere", train_annotations=tmp_path / "a"))
    missing = SourceSettings(kind="coco_json", images=tmp_path, train_annotations=tmp_path / "none.json")
    with pytest.raises(SettingsError, match=r"none\.json: No such file"):
        CocoJsonSource(missing).fingerprint()


def test_captions_of_unlisted_images_are_ignored_and_counted(tmp_path, caplog):
    strays = [{"image_id": 9, "caption": "b"}, {"image_id": "x", "caption": "c"}, {"image_id": "1", "caption": "d"}]
    source = source_of(tmp_path, json.dumps(GOOD | {"annotations": GOOD["annotations"] + strays}))
    assert [photo.captions for photo in source.captioned_images()] == [("a", "d")]
    assert "2 of 4 captions belong to images that the file does not list, first image_id 9, x" in caplog.text


def test_fingerprint_follows_images_and_captions_only(dataset, image):
    dataset.add("a.png", ["one"], data=image(1))
    first = dataset.source().fingerprint()
    (dataset.images / "note.txt").write_text("not listed")
    assert dataset.source().fingerprint() == first
    os.utime(dataset.images / "a.png", ns=(1, 1))
    touched = dataset.source().fingerprint()
    assert touched != first
    dataset.entries["train"][0] = ("a.png", ["two"])
    assert dataset.source().fingerprint() not in (first, touched)
    (dataset.images / "a.png").unlink()
    assert len({first, touched, dataset.source().fingerprint()}) == 3


def test_real_photographs(shared_data):
    folder = shared_data / "data" / "flickr8k"
    settings = SourceSettings(
        kind="coco_json",
        images=folder / "images",
        train_annotations=folder / "annotations" / "captions_train.json",
        max_images=10,
    )
    found = list(CocoJsonSource(settings).captioned_images())
    assert len(found) == 10
    assert all(photo.data and len(photo.captions) == 5 for photo in found)
