import io

import pytest
from PIL import Image

from pipeline.core.errors import SettingsError
from pipeline.core.settings import SourceSettings
from pipeline.data.sources.tfds import TfdsSource, prepared_folder

toy_coco = pytest.importorskip("tests.toy_coco")  # needs TensorFlow Datasets

SIZES = {"train": 90, "val": 6, "test": 4, "restval": 7}
WIDTH, HEIGHT = 60, 40


def jpeg(split, number):
    buffer = io.BytesIO()
    colour = (2 * number, 40 * list(SIZES).index(split), 100)
    Image.new("RGB", (WIDTH, HEIGHT), colour).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def example(split, number):
    captions = [f"{split} {number} café {place}" for place in range(5)]
    objects = [("dog", (0.25, 0.1, 0.75, 0.5))] if number % 2 else []
    return toy_coco.example(f"COCO_{split}_{number:012d}.jpg", number, jpeg(split, number), captions, objects)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A dataset with the features and splits of coco_captions, in several files."""
    folder = tmp_path_factory.mktemp("tfds")
    examples = {split: [example(split, number) for number in range(size)] for split, size in SIZES.items()}
    toy_coco.prepare(folder, examples, shards=3)
    return folder


@pytest.fixture(scope="module")
def source(data_dir):
    return TfdsSource(SourceSettings(kind="tfds", data_dir=data_dir))


@pytest.fixture(scope="module")
def photographs(source):
    return list(source.captioned_images())


def test_train_and_restval_are_the_split_train(photographs):
    splits = [photo.split for photo in photographs]
    assert splits == ["train"] * 97 + ["val"] * 6 + ["test"] * 4
    assert {photo.uri.partition("/")[0] for photo in photographs} == set(SIZES)


def test_every_photograph_has_its_encoded_bytes_and_all_captions(photographs):
    assert len({photo.image for photo in photographs}) == sum(SIZES.values())
    for photo in photographs:
        _, split, number = photo.image.removesuffix(".jpg").split("_")
        assert photo.data == jpeg(split, int(number))
        assert photo.captions == tuple(f"{split} {int(number)} café {place}" for place in range(5))


def test_boxes_are_in_pixels(photographs):
    boxes = {len(photo.objects) for photo in photographs}
    assert boxes == {0, 1}
    (box,) = next(photo.objects for photo in photographs if photo.objects)
    assert box.label == "dog"
    assert (box.left, box.top, box.width, box.height) == pytest.approx((6, 10, 24, 20), abs=1e-4)


def test_the_order_is_the_same_every_time(source, photographs):
    assert [photo.image for photo in source.captioned_images()] == [photo.image for photo in photographs]


def test_read_gives_the_bytes_that_were_listed(source, photographs):
    asked = photographs[3::7] + photographs[:2] + photographs[85:]  # with gaps, across files and parts
    listed = {photo.uri: photo.data for photo in asked}
    found = list(source.read([photo.uri for photo in asked]))
    assert len(found) == len(listed)
    assert dict(found) == listed


@pytest.mark.parametrize("place", [0, 20, 40, 89, 96])  # reading one must agree with reading all, across files
def test_a_position_names_the_same_image_alone(source, photographs, place):
    photo = photographs[place]
    assert list(source.read([photo.uri])) == [(photo.uri, photo.data)]


def test_max_images_counts_train_and_restval_together(data_dir):
    source = TfdsSource(SourceSettings(kind="tfds", data_dir=data_dir, max_images=92))
    parts = [photo.uri.partition("/")[0] for photo in source.captioned_images()]
    assert [parts.count(part) for part in SIZES] == [90, 6, 4, 2]


def test_fingerprint_is_stable(data_dir, source):
    assert TfdsSource(SourceSettings(kind="tfds", data_dir=data_dir)).fingerprint() == source.fingerprint()


def test_damage_is_told(data_dir, tmp_path):
    copy = tmp_path / "coco_captions" / "2014" / "1.1.0"
    copy.mkdir(parents=True)
    for path in prepared_folder("coco_captions/2014", data_dir).iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    shard = next(copy.glob("*train.tfrecord*"))
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(SettingsError, match="is damaged in train"):
        list(TfdsSource(SourceSettings(kind="tfds", data_dir=tmp_path)).captioned_images())


def test_the_newest_prepared_version_is_taken(tmp_path):
    for version in ("1.9.0", "1.10.0"):
        (tmp_path / "some" / "config" / version).mkdir(parents=True)
        (tmp_path / "some" / "config" / version / "features.json").touch()
    assert prepared_folder("some/config", tmp_path).name == "1.10.0"
    assert prepared_folder("some/config:1.9.0", tmp_path).name == "1.9.0"
    with pytest.raises(SettingsError, match="not prepared"):
        prepared_folder("some/config:2.0.0", tmp_path)


@pytest.mark.parametrize("name", ["", "../etc", "a/../b", "a/b/c", "a b"])
def test_a_malformed_name_is_told(tmp_path, name):
    with pytest.raises(SettingsError, match=r"source\.dataset"):
        prepared_folder(name, tmp_path)
