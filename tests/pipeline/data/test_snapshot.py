import hashlib
import re
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import SettingsError, SourceChanged
from pipeline.core.settings import SourceSettings
from pipeline.data.snapshot import Snapshot, check_images, cut, decoding_of_images, read_images, take_snapshot
from pipeline.data.sources.base import LabelledBox
from pipeline.data.sources.factory import open_source
from pipeline.storage.files import read_json, write_json
from pipeline.storage.stage_outputs import Store


@pytest.fixture
def dataset(new_dataset):
    return new_dataset()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def taken(dataset, store, **values):
    return take_snapshot(dataset.settings(**values), dataset.source(**values), store)


def images_of(numbers, split=None):
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in numbers]
    return pd.DataFrame({"sha256": digests, "split": split})


def split_of(images, **cuts):
    return dict(zip(images["sha256"], cut(images, SourceSettings(**cuts)), strict=True))


def test_tables_hold_what_the_source_has(dataset, store, image):
    dataset.add("b.png", ["second", "first"], data=image(2))
    dataset.fill(8)
    dataset.add("v.png", ["v"], "val", image(901))
    dataset.add("t.png", [], "test", image(902))
    output = taken(dataset, store)
    snapshot = Snapshot.load(output.path)
    assert list(snapshot.images.columns) == ["image", "uri", "sha256", "split", "bytes"]
    first = snapshot.images.iloc[0].to_dict()
    digest = hashlib.sha256(image(2)).hexdigest()
    assert first == {"image": "b.png", "uri": "b.png", "sha256": digest, "split": "train", "bytes": len(image(2))}
    assert list(snapshot.images["image"][-2:]) == ["v.png", "t.png"]
    assert list(snapshot.images["split"]) == ["train"] * 9 + ["val", "test"]
    assert snapshot.captions_of("val").to_dict("list") == {"image": ["v.png"], "position": [0], "caption": ["v"]}
    assert list(snapshot.captions["caption"][:2]) == ["second", "first"]
    assert snapshot.objects.empty
    assert output.figures()["images"] == {"train": 9, "val": 1, "test": 1}
    assert output.figures()["captions"] == len(snapshot.captions) == 43


def test_scenes_keep_their_objects(tmp_path, store):
    from pipeline.core.environment import Home

    settings = SourceSettings(scene_count=60)
    source = open_source(settings, Home(tmp_path, tmp_path, ""))
    objects = Snapshot.load(take_snapshot(settings, source, store).path).objects
    photo = next(iter(source.captioned_images()))
    rows = objects[objects["image"] == photo.image].drop(columns="image").itertuples(index=False)
    assert [LabelledBox(*row) for row in rows] == list(photo.objects)


def test_nothing_changed_is_the_same_snapshot_and_a_new_caption_is_not(dataset, store):
    dataset.fill(20)
    first = taken(dataset, store)
    assert taken(dataset, store) == first
    dataset.entries["train"][0] = (dataset.entries["train"][0][0], ["another caption"])
    second = taken(dataset, store)
    assert second.digest != first.digest
    assert second.figures()["content"] != first.figures()["content"]


def test_other_images_under_the_same_names_with_the_same_captions_are_another_test(dataset, store, image):
    for split, first in (("train", 0), ("val", 100), ("test", 200)):
        dataset.fill(3, split, first)
    before = Snapshot.load(taken(dataset, store).path)
    (dataset.images / "test-0201.png").write_bytes(image(900))
    after = Snapshot.load(taken(dataset, store).path)
    assert after.references("test") == before.references("test")
    assert after.fingerprint("test") != before.fingerprint("test")
    assert after.fingerprint("val") == before.fingerprint("val")


def test_neutral_people_terms_are_applied_to_every_split_and_are_another_snapshot(dataset, store, image):
    dataset.fill(20)
    for split in ("train", "val", "test"):
        dataset.add(f"{split}.png", ["A woman and her dog", "two boys"], split, image(900 + len(split)))
    as_written, neutral = taken(dataset, store), taken(dataset, store, people_terms="neutral")
    assert neutral.digest != as_written.digest
    written, changed = Snapshot.load(as_written.path), Snapshot.load(neutral.path)
    for split in ("train", "val", "test"):
        assert written.references(split)[f"{split}.png"] == ["A woman and her dog", "two boys"]
        assert changed.references(split)[f"{split}.png"] == ["A person and their dog", "two children"]
    assert changed.images.equals(written.images)
    assert list(changed.captions["caption"][:100]) == list(written.captions["caption"][:100])


def test_a_language_decides_the_case_and_none_is_the_snapshot_of_before(dataset, store):
    dataset.fill(20)
    dataset.add("t.png", ["ILIK B\u0130R I\u015eIK"], "test", None)
    before, turkish, english = (
        taken(dataset, store),
        taken(dataset, store, language="TR"),
        taken(dataset, store, language="en"),
    )
    assert "language" not in read_json(before.path / "stage.json")["settings"]
    assert len({before.digest, turkish.digest, english.digest}) == 3
    words = {each.digest: Snapshot.load(each.path).references("test")["t.png"] for each in (before, turkish, english)}
    assert words[before.digest] == words[english.digest] == ["ILIK B\u0130R I\u015eIK"]
    assert words[turkish.digest] == ["\u0131L\u0131K BiR \u0131\u015e\u0131K"]


def test_the_content_digest_does_not_depend_on_file_times(dataset, store, tmp_path):
    dataset.fill(20)
    first = taken(dataset, store)
    for path in dataset.images.iterdir():
        path.touch()
    second = taken(dataset, store)
    assert second.digest != first.digest
    assert second.figures()["content"] == first.figures()["content"]


def test_an_unreadable_image_is_listed_without_a_digest(dataset, store):
    dataset.fill(20)
    dataset.add("gone.png")
    output = taken(dataset, store)
    last = Snapshot.load(output.path).images.iloc[-1]
    assert (last["image"], last["sha256"], last["split"], last["bytes"]) == ("gone.png", "", "train", 0)
    assert output.figures()["unreadable"] == 1


def test_two_photographs_of_one_name_are_refused(dataset, store):
    class Twice:
        def __init__(self, source):
            self.source = source

        def fingerprint(self):
            return "twice"

        def captioned_images(self):
            return [replace(photo, image="same.png") for photo in self.source.captioned_images()]

    dataset.fill(2)
    with pytest.raises(SettingsError, match=re.escape("named 'same.png'")):
        take_snapshot(dataset.settings(), Twice(dataset.source()), store)


@given(st.integers(30, 200), st.integers(0, 300), st.floats(0.05, 0.4), st.floats(0.05, 0.4))
def test_a_share_stays_where_it_is_when_images_join(count, more, val, test):
    few = split_of(images_of(range(count)), val_cut=val, test_cut=test)
    many = split_of(images_of(range(count + more)), val_cut=val, test_cut=test)
    assert few.items() <= many.items()


def test_shares_are_about_as_large_as_asked():
    splits = pd.Series(split_of(images_of(range(20_000)), val_cut=0.1, test_cut=0.2).values())
    assert splits.value_counts(normalize=True).to_dict() == pytest.approx(
        {"train": 0.7, "test": 0.2, "val": 0.1}, abs=0.01
    )


@given(st.integers(1, 30), st.integers(1, 30), st.randoms())
def test_numbers_are_exact_and_the_order_of_images_does_not_matter(val, test, random):
    numbers = list(range(100))
    first = split_of(images_of(numbers), val_cut=val, test_cut=test)
    random.shuffle(numbers)
    assert split_of(images_of(numbers), val_cut=val, test_cut=test) == first
    splits = list(first.values())
    assert (splits.count("val"), splits.count("test")) == (val, test)


def test_changing_one_cut_leaves_the_other_alone():
    images = images_of(range(500))
    one, two = (split_of(images, val_cut=val, test_cut=40) for val in (0.1, 70))
    assert {sha for sha, split in one.items() if split == "test"} == {s for s, split in two.items() if split == "test"}


def test_equal_images_stay_together_and_count_once():
    images = images_of([*range(50), *range(50)])
    splits = cut(images, SourceSettings(val_cut=5, test_cut=7))
    assert splits.value_counts().to_dict() == {"train": 76, "test": 14, "val": 10}
    assert list(splits[:50]) == list(splits[50:])


def test_only_missing_splits_are_cut_and_only_from_train():
    given_ones = pd.concat([images_of(range(100), "train"), images_of(range(100, 140), "test")], ignore_index=True)
    splits = cut(given_ones, SourceSettings(val_cut=9, test_cut=11))
    assert splits.value_counts().to_dict() == {"train": 91, "test": 40, "val": 9}
    assert set(splits[100:]) == {"test"}
    whole = pd.concat([given_ones, images_of(range(200, 203), "val")], ignore_index=True)
    assert list(cut(whole, SourceSettings(val_cut=9, test_cut=11))) == list(whole["split"])


@pytest.mark.parametrize("cuts", [(0.5, 0.5), (0.7, 0.6), (5, 5), (20, 0.1), (9, 3)])
def test_cuts_that_leave_nothing_to_train_on_are_told(cuts):
    val, test = cuts
    with pytest.raises(SettingsError, match=rf"source\.test_cut={test:g} and source\.val_cut={val:g}.* 10 "):
        cut(images_of(range(10)), SourceSettings(val_cut=val, test_cut=test))


def test_a_number_of_images_is_whole():
    with pytest.raises(SettingsError, match=r"source\.val_cut is 1\.5"):
        cut(images_of(range(10)), SourceSettings(val_cut=1.5))


def test_read_images_gives_what_was_listed(dataset, store, image):
    dataset.fill(15)
    images = Snapshot.load(taken(dataset, store).path).images
    read = dict(read_images(dataset.source(), images[3:6]))
    assert read == {sha: image(number) for sha, number in zip(images["sha256"][3:6], range(3, 6), strict=True)}


def test_changed_and_vanished_bytes_are_detected(dataset, store, image):
    dataset.fill(15)
    source = dataset.source()
    images = Snapshot.load(taken(dataset, store).path).images
    (dataset.images / images["image"][1]).write_bytes(image(999))
    (dataset.images / images["image"][2]).unlink()
    with pytest.raises(SourceChanged, match=re.escape(images["image"][1])):
        list(read_images(source, images))
    found = {name: data for name, _, data in check_images(source, images)}
    changed = {name for name, data in found.items() if isinstance(data, SourceChanged)}
    assert changed == {images["image"][1], images["image"][2]}
    assert len(found) == 15


def test_one_file_listed_twice_is_checked_twice(dataset, store, image):
    dataset.fill(15)
    dataset.add("same.png", data=image(500))
    dataset.add("same.png", split="test")
    images = Snapshot.load(taken(dataset, store).path).images
    found = [name for name, _, data in check_images(dataset.source(), images) if data == image(500)]
    assert sorted(found) == ["same.png", "train:same.png"]


@pytest.mark.parametrize(("kind", "first"), [("PNG", 1), ("JPEG", 1), ("TIFF", 2)])
def test_21_4_a_snapshot_knows_since_which_decoding_its_images_have_these_pixels(dataset, store, image, kind, first):
    """One of before that knew nothing of it is read once more, and only once."""
    dataset.fill(3)
    dataset.add("last.jpg", data=image(9, format=kind))
    output = taken(dataset, store)
    assert decoding_of_images(output, None, store) == first
    figures = output.figures()
    write_json(output.path / "figures.json", {name: figures[name] for name in figures if "decoding" not in name})
    away = dataset.images / "last.jpg"
    away.rename(dataset.images / "away")
    assert decoding_of_images(output, dataset.source(), store) == 1  # which is not kept
    (dataset.images / "away").rename(away)
    assert decoding_of_images(output, dataset.source(), store) == first
    assert decoding_of_images(output, None, store) == first


class Unreadable:
    """A source some of whose files nobody may read for a while, although they do not change."""

    def __init__(self, source):
        self.source, self.names = source, set()

    def fingerprint(self):
        return self.source.fingerprint()

    def captioned_images(self):
        for each in self.source.captioned_images():
            yield replace(each, data=None) if each.image in self.names else each

    def read(self, uris):
        return ((uri, None if uri in self.names else data) for uri, data in self.source.read(uris))


def test_21_an_image_that_could_not_be_read_for_a_while_joins_a_later_snapshot(dataset, store):
    dataset.fill(8)
    source = Unreadable(dataset.source())
    name = next(iter(source.captioned_images())).image
    source.names = {name}
    first = take_snapshot(dataset.settings(), source, store)
    assert take_snapshot(dataset.settings(), source, store) == first
    source.names = set()
    second = take_snapshot(dataset.settings(), source, store)
    assert [output.figures()["unreadable"] for output in (first, second)] == [1, 0]
    source.names = {name}
    assert take_snapshot(dataset.settings(), source, store) == first
    source.names = set()
    assert take_snapshot(dataset.settings(), source, store) == second
