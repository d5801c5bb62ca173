import os
import shutil

import pytest

from pipeline.core.errors import BundleRejected, ModelNotFound
from pipeline.model.bundle import (
    CARD,
    CONFIDENCE,
    DECODER,
    ENCODER,
    GOLDEN,
    REFERENCE,
    SETTINGS,
    SUMS,
    VOCABULARY,
    read_bundle,
    seal,
)
from pipeline.model.vocabulary import Vocabulary
from pipeline.storage.files import read_json, sha256_file, write_bytes, write_json, write_text
from tests.toy_bundle import CHOSEN, write_bundle

WORDS = Vocabulary.of(["dog", "été"])


@pytest.fixture
def folder(tmp_path):
    """A bundle whose weights nobody loads."""
    folder = tmp_path / "bundle"
    write_bundle(folder, ["dog", "été"])
    return folder


def refusal(folder, expected=None, error=BundleRejected):
    with pytest.raises(error) as caught:
        read_bundle(folder, expected)
    message = str(caught.value)
    assert str(folder) in message
    assert "\n" not in message
    return message


def change(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_what_was_written_is_read(folder):
    bundle = read_bundle(folder)
    assert bundle.settings == CHOSEN
    assert bundle.vocabulary == WORDS
    assert bundle.path == folder
    assert bundle.digest == sha256_file(folder / SUMS)
    assert read_bundle(folder, bundle.digest) == bundle


def test_the_list_is_what_sha256sum_checks(folder):
    lines = (folder / SUMS).read_text().splitlines()
    assert len(lines) == 9
    assert all(sha256_file(folder / line[66:]) == line[:64] and line[64:66] == "  " for line in lines)


def test_the_same_files_have_the_same_digest_wherever_they_lie(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / SUMS).unlink()
    assert seal(tmp_path / "copy") == read_bundle(folder).digest


@pytest.mark.parametrize("name", [ENCODER, DECODER, VOCABULARY, SETTINGS, REFERENCE, CARD, f"{GOLDEN}/0.png"])
def test_one_bit_changed_is_refused_by_name(folder, name):
    change(folder / name)
    assert f"{name} was altered" in refusal(folder)


@pytest.mark.parametrize("name", [ENCODER, DECODER, VOCABULARY, SETTINGS, f"{GOLDEN}/captions.json"])
def test_a_missing_file_is_refused_by_name(folder, name):
    (folder / name).unlink()
    assert f"{name} is missing" in refusal(folder)


@pytest.mark.parametrize("name", [ENCODER, VOCABULARY, CONFIDENCE, REFERENCE, f"{GOLDEN}/captions.json"])
def test_a_sealed_bundle_without_a_file_every_bundle_has_is_refused(folder, name):
    (folder / name).unlink()
    seal(folder)
    assert f"does not list {name}" in refusal(folder)


@pytest.mark.parametrize("name", ["model.pkl", "code/run.py", ".hidden"])
def test_an_unlisted_file_is_refused_by_name(folder, name):
    write_bytes(folder / name, b"surprise")
    assert f"{name} is not listed" in refusal(folder)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_neither_a_file_nor_a_folder_of_files_is_refused_by_name(folder, make):
    make(folder / "x.py")
    assert "x.py is no file and no folder of files" in refusal(folder)


def test_a_pipe_in_place_of_a_listed_file_is_refused_and_not_read(folder):
    (folder / CARD).unlink()
    os.mkfifo(folder / CARD)
    assert f"{CARD} is no file" in refusal(folder)


@pytest.mark.parametrize("inside", [True, False])
def test_a_symbolic_link_is_refused(folder, tmp_path, inside):
    target = folder / CARD if inside else tmp_path / "elsewhere"
    target.touch()
    (folder / "link").symlink_to(target)
    assert "link is a symbolic link" in refusal(folder)


def test_a_linked_folder_is_refused(folder, tmp_path):
    shutil.move(folder / GOLDEN, tmp_path / "golden")
    (folder / GOLDEN).symlink_to(tmp_path / "golden")
    assert "golden is a symbolic link" in refusal(folder)


def test_a_bundle_that_was_sealed_again_is_refused_when_its_digest_is_known(folder):
    registered = read_bundle(folder).digest
    change(folder / DECODER)
    resealed = seal(folder)
    message = refusal(folder, registered)
    assert registered in message
    assert resealed in message
    assert read_bundle(folder).digest == resealed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format_version": 1}, "format_version"),
        ({"format_version": 2}, "format_version"),
        ({"format_version": 5}, "format_version"),
        ({"format": 2}, "format"),
        ({"engine": "onnx-int8"}, "engine"),
        ({"encoder": "vgg16"}, "encoder"),
        ({"run_this": "rm"}, "run_this"),
        ({"pixels": {"side": 112, "fit": "pad", "interpolation": "bilinear"}}, "interpolation"),
        ({"pixels": {"side": 112, "fit": "pad", "interpolation": "bicubic", "value_range": [0, 1]}}, "value_range"),
        ({"decoding": {"method": "guess"}}, "method"),
    ],
)
def test_settings_it_does_not_understand_are_refused(folder, change, says):
    write_json(folder / SETTINGS, read_json(folder / SETTINGS) | change)
    seal(folder)
    message = refusal(folder)
    assert f"{SETTINGS} is not understood by this version of Nightcap" in message
    assert says in message


@pytest.mark.parametrize("text", ["", "no json", "[]", "null"])
def test_settings_that_are_no_settings_are_refused(folder, text):
    write_text(folder / SETTINGS, text)
    seal(folder)
    assert f"{SETTINGS} is not understood" in refusal(folder)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"dog\ncat\n", b"\n[UNK]\n<start>\n<end>\ndog\ndog\n", b""])
def test_a_vocabulary_that_is_none_is_refused(folder, data):
    (folder / VOCABULARY).write_bytes(data)
    seal(folder)
    with pytest.raises(BundleRejected, match=r"vocabulary"):
        read_bundle(folder)


@pytest.mark.parametrize("text", ["nonsense", "abc\n", f"{'0' * 64} {ENCODER}\n", "\n"])
def test_a_malformed_list_is_refused(folder, text):
    write_text(folder / SUMS, text)
    assert f"{SUMS} is malformed" in refusal(folder)


def test_a_list_that_points_outside_is_refused(folder, tmp_path):
    write_text(tmp_path / "secret", "s")
    with (folder / SUMS).open("a") as file:
        file.write(f"{sha256_file(tmp_path / 'secret')}  ../secret\n")
    assert "../secret is missing" in refusal(folder)


def test_a_folder_that_is_no_bundle_is_not_found(tmp_path):
    assert f"holds no {SUMS}" in refusal(tmp_path, error=ModelNotFound)
    assert f"holds no {SUMS}" in refusal(tmp_path / "none", error=ModelNotFound)
