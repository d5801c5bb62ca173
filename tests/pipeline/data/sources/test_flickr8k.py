"""Flickr8k's public files, imitated with drawn images."""

import io
import json
import os

import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import SettingsError
from pipeline.data.sources.flickr8k import QUALITY, SIDE, prepare_flickr8k, read_distribution
from pipeline.imaging.decode import ImageLimits, pixels
from pipeline.storage.files import read_json

SIZES = {"train": 40, "val": 4, "test": 3}
LISTS = {"train": "Flickr_8k.trainImages.txt", "val": "Flickr_8k.devImages.txt", "test": "Flickr_8k.testImages.txt"}
NAMES = {split: [f"{9000 - 7 * i}_{split}.jpg" for i in range(size)] for split, size in SIZES.items()}
CAPTIONS = ("A dog runs .", "Ein Hund läuft .", "two dogs, one ball", "a b c d", 'a "quoted" word #1')


def jpeg(number):
    noise = np.random.default_rng(number).integers(0, 256, (30, 50, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((500, 333)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "Flicker8k_Dataset"
    folder.mkdir()
    for number, name in enumerate(name for names in NAMES.values() for name in names):
        (folder / name).write_bytes(jpeg(number))
    (folder / "in_no_split.jpg").write_bytes(jpeg(0))
    return folder


@pytest.fixture
def token(tmp_path):
    """The official text files, with a stray image and a line end as they come."""
    lines = [
        f"{name}#{place}\t{text}" for names in NAMES.values() for name in names for place, text in enumerate(CAPTIONS)
    ]
    file = tmp_path / "Flickr8k.token.txt"
    file.write_bytes("\r\n".join([*lines, "in_no_split.jpg.1#0\tnot listed .", ""]).encode())
    for split, name in LISTS.items():
        (tmp_path / name).write_text("".join(f"{name}\n" for name in NAMES[split]))
    return file


@pytest.fixture
def karpathy(tmp_path):
    images = [
        {
            "sentids": [],
            "imgid": 0,
            "sentences": [{"tokens": text.split(), "raw": text, "sentid": 0} for text in CAPTIONS],
            "split": split,
            "filename": name,
        }
        for split, names in NAMES.items()
        for name in names
    ]
    file = tmp_path / "dataset_flickr8k.json"
    file.write_text(json.dumps({"images": images, "dataset": "flickr8k"}))
    return file


def test_both_public_forms_say_the_same(token, karpathy):
    listed = read_distribution(token)
    assert listed == read_distribution(karpathy)
    assert [image.name for image in listed] == sorted(name for names in NAMES.values() for name in names)
    assert all(image.captions == CAPTIONS and image.name in NAMES[image.split] for image in listed)


def test_images_are_whole_squashed_and_of_the_measured_quality(images, token, tmp_path):
    prepare_flickr8k(images, token, tmp_path / "out")
    name = NAMES["train"][0]
    data = (tmp_path / "out" / "images" / name).read_bytes()
    wanted = io.BytesIO()
    squashed = pixels((images / name).read_bytes(), SIDE, "squash", ImageLimits())
    Image.fromarray(squashed).save(wanted, "JPEG", quality=QUALITY)
    assert data == wanted.getvalue()
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (224, 224))
    assert len(list((tmp_path / "out" / "images").iterdir())) == sum(SIZES.values())


@pytest.mark.usefixtures("holes")
def test_an_image_that_kills_its_decoder_is_left_out(images, token, tmp_path):
    with (images / NAMES["train"][3]).open("ab") as file:
        file.write(b"#crash")
    assert prepare_flickr8k(images, token, tmp_path / "out")["left_out"] == {NAMES["train"][3]: "decoder_crashed"}


def test_captions_are_coco_files_a_split(images, karpathy, tmp_path):
    report = prepare_flickr8k(images, karpathy, tmp_path / "out")
    assert report["images"] == SIZES
    assert report["captions"] == {split: 5 * size for split, size in SIZES.items()}
    ids = []
    for split, names in NAMES.items():
        found = read_json(tmp_path / "out" / f"captions_{split}.json")
        assert [image["file_name"] for image in found["images"]] == sorted(names)
        ids += [image["id"] for image in found["images"]]
        named = {image["id"]: [] for image in found["images"]}
        for caption in found["annotations"]:
            named[caption["image_id"]].append(caption["caption"])
        assert set(map(tuple, named.values())) == {CAPTIONS}
    assert len(set(ids)) == len(ids)


def test_what_cannot_be_read_is_reported_and_left_out(images, token, tmp_path, caplog):
    broken, absent = NAMES["train"][3], NAMES["val"][0]
    (images / broken).write_bytes(jpeg(1)[:3000])
    (images / absent).unlink()
    report = prepare_flickr8k(images, token, tmp_path / "out")
    assert report["left_out"] == {broken: "truncated", absent: "missing"}
    assert report["images"] == {"train": 39, "val": 3, "test": 3}
    assert read_json(tmp_path / "out" / "prepared.json") == report
    listed = read_json(tmp_path / "out" / "captions_train.json")["images"]
    assert broken not in {image["file_name"] for image in listed}
    assert not (tmp_path / "out" / "images" / broken).exists()
    assert "2 of the 47 images" in caplog.text


def test_a_pipe_and_a_huge_file_are_left_out_unread(images, token, tmp_path):
    pipe, huge = NAMES["train"][3], NAMES["train"][4]
    (images / pipe).unlink()
    os.mkfifo(images / pipe)
    os.truncate(images / huge, 10**12)
    report = prepare_flickr8k(images, token, tmp_path / "out")
    assert report["left_out"] == {pipe: "missing", huge: "too_large_file"}


def test_an_image_without_captions_is_left_out(images, token, tmp_path):
    name = NAMES["test"][1]
    token.write_text("".join(line for line in token.read_text().splitlines(True) if not line.startswith(name)))
    assert prepare_flickr8k(images, token, tmp_path / "out")["left_out"] == {name: "no_caption"}


def test_the_wrong_folder_writes_nothing(token, tmp_path):
    (tmp_path / "empty").mkdir()
    before = set(tmp_path.iterdir())
    with pytest.raises(SettingsError, match=r"47 of the 47 images.*missing.*--images"):
        prepare_flickr8k(tmp_path / "empty", token, tmp_path / "out")
    assert set(tmp_path.iterdir()) == before


def test_an_output_in_use_is_not_touched(images, token, tmp_path):
    with pytest.raises(SettingsError, match="not an empty folder"):
        prepare_flickr8k(images, token, images)
    (tmp_path / "out").mkdir()
    prepare_flickr8k(images, token, tmp_path / "out")
    with pytest.raises(SettingsError, match="not an empty folder"):
        prepare_flickr8k(images, token, tmp_path / "out")


def test_missing_split_lists_are_named(token):
    (token.parent / LISTS["val"]).unlink()
    with pytest.raises(SettingsError, match=r"Flickr_8k\.devImages\.txt not found beside"):
        read_distribution(token)


def test_a_missing_folder_of_images_is_named(token, tmp_path):
    with pytest.raises(SettingsError, match="nowhere is not a folder"):
        prepare_flickr8k(tmp_path / "nowhere", token, tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("one.jpg#0\ta dog\none.jpg#1 a cat\n", r"line 2: 'one\.jpg#1 a cat'"),
        ("one.jpg\ta dog\n", "line 1"),
        ("one.jpg#x\ta dog\n", "line 1"),
    ],
)
def test_a_malformed_line_is_told(token, text, words):
    token.write_text(text)
    with pytest.raises(SettingsError, match=words):
        read_distribution(token)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "images: Field required"),
        ("nonsense", "of Karpathy: Invalid JSON"),
        ('{"images": [{"filename": "a.jpg", "split": "other", "sentences": []}]}', r"images\[0\].split"),
        ('{"images": []}', "no image of test, train, val"),
        ('{"images": [{"filename": "../a.jpg", "split": "val", "sentences": []}]}', r"'\.\./a\.jpg' is no plain"),
        (
            '{"images": [{"filename": "a", "split": "val", "sentences": []},'
            ' {"filename": "a", "split": "test", "sentences": []}]}',
            "'a' is listed 2 times",
        ),
    ],
)
def test_a_malformed_file_is_told(karpathy, text, words):
    karpathy.write_text(text)
    with pytest.raises(SettingsError, match=words):
        read_distribution(karpathy)


def test_what_is_no_file_is_told(tmp_path):
    with pytest.raises(SettingsError, match="is a folder, not a file"):
        read_distribution(tmp_path)
    with pytest.raises(SettingsError, match=r"cannot read .*none\.json: No such file"):
        read_distribution(tmp_path / "none.json")
    (tmp_path / "latin.txt").write_bytes("кафе#0\tк".encode("cp1251"))
    with pytest.raises(SettingsError, match=r"cannot read .*latin\.txt"):
        read_distribution(tmp_path / "latin.txt")


def test_links_out_of_the_folder_are_named_with_what_to_do(images, token, tmp_path):
    links = tmp_path / "links"
    links.mkdir()
    for file in images.iterdir():
        (links / file.name).symlink_to(file)
    with pytest.raises(SettingsError, match=r"unsafe_name: .* lies in none of .*not as links .*name the folder"):
        prepare_flickr8k(links, token, tmp_path / "out")
    inside = tmp_path / "inside"
    inside.mkdir()
    images.rename(inside / "real")
    for file in (inside / "real").iterdir():
        (inside / file.name).symlink_to(file)
    assert not prepare_flickr8k(inside, token, tmp_path / "out")["left_out"]
