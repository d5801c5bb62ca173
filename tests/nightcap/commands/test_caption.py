"""`nightcap caption`, with a model that was really trained, if only a little."""

import json
import os
import time
from pathlib import Path

import pytest
from PIL import Image

from nightcap.captioning import DEFAULT_MODEL, caption_images, load_model
from nightcap.images import NamedImages
from pipeline.imaging.decode import ImageLimits

UNUSABLE = {
    "b_truncated.jpg": "truncated",
    "c_empty.jpg": "empty",
    "d_page.jpg": "not_an_image",
    "h_huge.png": "too_many_pixels",
}
USABLE = ("a photo.jpg", "e_cmyk.jpg", "f_16bit.png", "g_rotated.jpg")


@pytest.fixture(scope="module")
def environment(tiny_run):
    return {"NIGHTCAP_HOME": str(tiny_run.home.root)}


@pytest.fixture(scope="module")
def whole(start, environment, bad_folder):
    """Everything in the folder and a file by name, by a process of its own."""
    return start("caption", bad_folder, "notes.txt", "--strict", cwd=bad_folder, **environment)


@pytest.fixture(scope="module")
def left(start, environment, tmp_path_factory, photo):
    """One small image, for a reader who has gone."""
    path = tmp_path_factory.mktemp("one") / "one.jpg"
    path.write_bytes(photo(5))
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "wb") as closed:
        return start("caption", path, stdout=closed, **environment)


@pytest.fixture
def alone(trained):
    """The line of one image, captioned by itself."""
    captioner = load_model(DEFAULT_MODEL, None)

    def alone(path):
        [line] = caption_images(captioner, NamedImages([str(path)]), ImageLimits())
        return line.as_json()

    return alone


def rows(done):
    return [json.loads(line) for line in done.out.splitlines()]


def same_caption(first, second):
    return first["caption"] == second["caption"] and first["score"] == pytest.approx(second["score"], abs=3e-6)


def test_every_image_has_a_line_in_order(whole, bad_folder):
    found = rows(whole)
    assert [row["image"] for row in found] == [
        *(f"{bad_folder}/{name}" for name in sorted([*USABLE, *UNUSABLE], key=str.encode)),
        "notes.txt",
    ]
    assert all(list(row) == ["image", "status", "caption", "score", "confidence", "reason", "flags"] for row in found)


def test_what_cannot_be_captioned_has_a_reason(whole, bad_folder):
    bad = {row["image"]: row for row in rows(whole) if row["status"] == "quarantined"}
    reasons = {f"{bad_folder}/{name}": reason for name, reason in UNUSABLE.items()} | {"notes.txt": "not_an_image"}
    assert {image: row["reason"] for image, row in bad.items()} == reasons
    assert all(row["caption"] is row["score"] is row["confidence"] is None for row in bad.values())


def test_the_rest_is_captioned_as_it_would_be_alone(whole, bad_folder, alone):
    good = {row["image"]: row for row in rows(whole) if row["status"] == "captioned"}
    assert set(good) == {f"{bad_folder}/{name}" for name in USABLE}
    for image, row in good.items():
        assert same_caption(alone(image), row)
        assert row["caption"]
        assert row["score"] < 0
        assert row["confidence"] > 0
        assert row["reason"] is None
        assert row["flags"] == alone(image)["flags"]


def test_an_image_that_shows_nothing_is_flagged(alone, tmp_path):
    Image.new("RGB", (300, 200)).save(tmp_path / "black.png")
    assert alone(tmp_path / "black.png")["flags"] == ["blank", "dark"]


def test_a_rotated_image_is_captioned_upright(whole, twins, alone):
    [row] = [row for row in rows(whole) if row["image"].endswith("g_rotated.jpg")]
    assert same_caption(alone(twins / "upright.png"), row)
    assert not same_caption(alone(twins / "sideways.png"), row)


def test_only_results_are_on_standard_output_and_only_the_count_beside_it(whole):
    assert whole.err == "4 captioned, 5 quarantined, 1 ignored (1 other_type)\n"
    assert whole.code == 3  # --strict


def test_a_reader_who_left_ends_it_quietly(left):
    assert (left.code, left.err) == (1, "")


def test_bad_images_cost_little_memory(whole, left):
    assert whole.peak - left.peak < 1.5e9


def test_real_photographs(run, trained, shared_data):
    folder = shared_data / "data" / "coco_mini" / "images"
    chosen = sorted(folder.glob("*.jpg"))[:5]
    done = run("caption", *chosen)
    assert [row["image"] for row in rows(done)] == [str(path) for path in chosen]
    assert {row["status"] for row in rows(done)} == {"captioned"}
    assert (done.code, done.err) == (0, "5 captioned, 0 quarantined, 0 ignored\n")


def test_a_bundle_another_beam_and_a_file(run, tiny_run, photo, tmp_path):
    (tmp_path / "a.jpg").write_bytes(photo(3))
    bundle = tiny_run.output("bundle").path / "bundle"
    lines = {}
    for width in ("1", "4"):
        target = tmp_path / f"{width}.jsonl"
        done = run("caption", tmp_path / "a.jpg", "--model", bundle, "--output", target, "--beam", width)
        assert (done.code, done.out) == (0, "")
        assert done.err == f"{bundle}: a bare folder, origin not verified\n1 captioned, 0 quarantined, 0 ignored\n"
        lines[width] = json.loads(target.read_text())
    longest = tiny_run.settings.decoding.max_words
    assert all(len(line["caption"].split()) <= longest for line in lines.values())
    assert lines["1"]["score"] != lines["4"]["score"]


def test_names_that_are_no_utf8(run, trained, tmp_path, photo):
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(photo(4))
    done = run("caption", tmp_path)
    assert [row["image"] for row in rows(done)] == [f"{tmp_path}/caf\\xe9.jpg"]


def test_without_a_champion_one_line_says_how_to_get_one(start, tmp_path, photo):
    (tmp_path / "a.jpg").write_bytes(photo())
    done = start("caption", tmp_path / "a.jpg", NIGHTCAP_HOME=str(tmp_path / "home"))
    assert done.refused(2, "models:/captioner@champion", "nightcap train", "make run")


@pytest.mark.parametrize("command", ["caption", "night", "train", "models list"])
def test_an_unreachable_mlflow_is_one_line_at_once(start, tmp_path, photo, command):
    (tmp_path / "a.jpg").write_bytes(photo())
    inputs = {"caption": [tmp_path / "a.jpg"], "night": ["--input", tmp_path]}.get(command, [])
    started = time.monotonic()
    done = start(*command.split(), *inputs, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert time.monotonic() - started < 10
    assert done.refused(1, "MLflow", "http://127.0.0.1:9", "MLFLOW_TRACKING_URI")


@pytest.mark.parametrize(
    ("uri", "code", "words"),
    [
        ("mlruns", 2, ("'mlruns'", "sqlite:///")),
        ("file:///var/mlruns", 2, ("file:///var/mlruns", "sqlite:///")),
        ("http://", 1, ("http://",)),
        ("http://me:secret@127.0.0.1:9", 1, ("127.0.0.1:9",)),
        ("sqlite:////dev/null/mlflow.db", 1, ("/dev/null/mlflow.db",)),
        ("oracle://127.0.0.1:9/runs", 1, ("oracle://127.0.0.1:9/runs",)),
    ],
)
def test_an_address_that_cannot_be_mlflow_is_one_line(run, monkeypatch, uri, code, words):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    done = run("models", "list")
    assert done.refused(code, *words)
    assert "secret" not in done.err


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("models:/captioner@best", ("models:/captioner@best", "registered: captioner/1")),
        ("models:/captioner/99", ("models:/captioner/99", "registered: captioner/1")),
        ("models:/captioner", ("models:/captioner", "models:/name@alias")),
        ("no/such/bundle", ("no/such/bundle", "SHA256SUMS")),
    ],
)
def test_a_model_that_is_not_there_is_one_line(run, trained, bad_folder, model, words):
    assert run("caption", bad_folder, "--model", model).refused(2, *words)


def test_a_missing_input_is_one_line(run, tmp_path):
    assert run("caption", tmp_path, tmp_path / "gone.jpg").refused(2, "gone.jpg")


def test_an_output_that_cannot_be_written_is_one_line_before_the_work(run, tmp_path):
    done = run("caption", tmp_path, "--output", tmp_path / "none" / "out.jsonl")
    assert done.refused(2, "--output", "none/out.jsonl")


def test_a_full_disk_is_one_line(start, environment, tmp_path):
    with Path("/dev/full").open("wb") as full:
        done = start("models", "list", "--json", stdout=full, **environment)
    assert done.refused(1, "No space left on device")
