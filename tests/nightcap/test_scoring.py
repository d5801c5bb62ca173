"""`nightcap score`: captions that any system wrote."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightcap.scoring import match_captions, read_captions, references_of
from pipeline.core.errors import SettingsError

pytestmark = pytest.mark.usefixtures("without_java")
NAMES = st.lists(st.sampled_from(["a", "b", "c.jpg", "d.jpg"]), min_size=1, max_size=3).map("/".join)


def annotate(path, references):
    images = [{"id": place, "file_name": name} for place, name in enumerate(references)]
    captions = [
        {"image_id": place, "caption": text} for place, texts in enumerate(references.values()) for text in texts
    ]
    path.write_text(json.dumps({"images": images, "annotations": captions}))
    return path


def lines(path, *rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def captions_of(**captions):
    return [{"image": f"{name}.jpg", "caption": text} for name, text in captions.items()]


@pytest.fixture
def annotations(tmp_path):
    references = {
        "a.jpg": ["a red boat on a lake", "a boat on the water"],
        "b.jpg": ["two dogs run over grass", "dogs are running in a field"],
        "c.jpg": ["a man rides a horse", "a rider on a brown horse"],
    }
    return annotate(tmp_path / "captions.json", references)


def test_the_report_is_as_promised(run, annotations, tmp_path):
    given = lines(
        tmp_path / "given.jsonl",
        {"image": "photos/a.jpg", "status": "captioned", "caption": "a red boat on a lake", "score": -0.1},
        {"image": "b.jpg", "status": "quarantined", "caption": None, "reason": "truncated"},
        {"image": "unknown.jpg", "caption": "a cat"},
    )
    done = run("score", "--annotations", annotations, "--captions", given)
    report = json.loads(done.out)
    assert done.code == 0
    assert list(report) == ["images", "scores", "health", "missing"]
    names = {"bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l", "cider_d"}
    assert set(report["scores"]) == names
    assert (report["images"], report["missing"]) == (3, 2)
    assert report["scores"]["rouge_l"] == pytest.approx(1 / 3)  # the other two score 0
    assert report["scores"]["meteor"] is None
    assert done.err == f"1 of 2 captions are of images that {annotations} does not describe; ignored\n"


def test_a_file_takes_the_report_instead(run, annotations, tmp_path):
    given = lines(tmp_path / "given.jsonl", *captions_of(a="a boat", b="dogs", c="a horse"))
    plain = run("score", "--annotations", annotations, "--captions", given)
    done = run("score", "--annotations", annotations, "--captions", given, "--output", tmp_path / "out.json")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert json.loads((tmp_path / "out.json").read_text()) == json.loads(plain.out)


def test_no_caption_at_all_scores_nothing(run, annotations, tmp_path):
    done = run("score", "--annotations", annotations, "--captions", lines(tmp_path / "none.jsonl"))
    report = json.loads(done.out)
    assert report["missing"] == 3
    assert not any(report["scores"].values())


def test_lines_may_be_blank_and_hold_any_unicode(tmp_path):
    rows = [{"image": "a.jpg", "caption": "one\u2028two\x85three"}, {"image": "b.jpg", "caption": "é"}]
    text = "\ufeff\n" + "\r\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "given.jsonl").write_text(text, encoding="utf-8", newline="")
    assert read_captions(tmp_path / "given.jsonl") == {row["image"]: row["caption"] for row in rows}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"image": "a.jpg", "caption"', ("line 3", "not JSON", '"caption"')),
        ("a.jpg\ta boat", ("line 3", "not JSON", "a boat")),
        ("[" * 100_000, ("line 3", "not JSON")),
        ('["a.jpg", "a boat"]', ("line 3", '"image"', '"caption"')),
        ('{"image": 7, "caption": "a boat"}', ("line 3", '"image"')),
        ('{"image": "a.jpg"}', ("line 3", '"caption"')),
        ('{"image": "a.jpg", "caption": ["a boat"]}', ("line 3", '"caption"')),
        ('{"image": "b.jpg", "caption": "more dogs"}', ("line 3", "'b.jpg'", "already")),
    ],
)
def test_a_malformed_line_is_named(run, annotations, tmp_path, line, words):
    given = lines(tmp_path / "given.jsonl", {"image": "b.jpg", "caption": "dogs"}, "", line)
    assert run("score", "--annotations", annotations, "--captions", given).refused(2, "given.jsonl", *words)


@pytest.mark.parametrize(
    ("data", "words"),
    [(None, "No such file"), (b'{"image": "\xff', "not UTF-8: byte 11")],
)
def test_captions_that_cannot_be_read(run, annotations, tmp_path, data, words):
    if data:
        (tmp_path / "given.jsonl").write_bytes(data)
    done = run("score", "--annotations", annotations, "--captions", tmp_path / "given.jsonl")
    assert done.refused(2, "--captions", "given.jsonl", words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ("No such file",)),
        ("{", ("Invalid JSON",)),
        ('{"images": []}', ("annotations", "Field required")),
        ('{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}', ("no captions",)),
    ],
)
def test_annotations_that_cannot_be_used(run, tmp_path, text, words):
    if text:
        (tmp_path / "bad.json").write_text(text)
    done = run("score", "--annotations", tmp_path / "bad.json", "--captions", tmp_path / "given.jsonl")
    assert done.refused(2, "bad.json", *words)


@pytest.mark.parametrize(
    ("image", "references", "match"),
    [
        ("a.jpg", ["a.jpg", "b.jpg"], "a.jpg"),
        ("photos/a.jpg", ["a.jpg"], "a.jpg"),
        ("/data/val/a.jpg", ["val/a.jpg", "train/a.jpg"], "val/a.jpg"),
        ("x/val/a.jpg", ["a.jpg", "val/a.jpg"], "val/a.jpg"),  # the longer path
        ("val/a.jpg", ["a.jpg", "x/a.jpg"], "a.jpg"),
        ("a.jpg", ["deep/down/a.jpg"], "deep/down/a.jpg"),  # the only one of that name
        ("other/a.jpg", ["deep/a.jpg"], "deep/a.jpg"),
        ("ba.jpg", ["a.jpg"], None),
        ("a.png", ["a.jpg"], None),
    ],
)
def test_a_caption_finds_its_image(image, references, match):
    found = match_captions({image: "text"}, dict.fromkeys(references))
    assert found == ({match: "text"} if match else {})


def test_ambiguous_captions_are_refused(run, tmp_path):
    annotations = annotate(tmp_path / "captions.json", {"x/a.jpg": ["a boat"], "y/a.jpg": ["a cat"]})
    given = lines(tmp_path / "given.jsonl", *captions_of(a="a boat"))
    done = run("score", "--annotations", annotations, "--captions", given)
    assert done.refused(2, "'a.jpg'", "x/a.jpg, y/a.jpg", "relative")


def test_two_captions_of_one_image_are_refused():
    with pytest.raises(SettingsError, match=r"two captions match 'a.jpg'.*'y/a.jpg'"):
        match_captions({"x/a.jpg": "one", "y/a.jpg": "two"}, {"a.jpg": []})


@given(st.lists(NAMES, unique=True), st.sampled_from(["", "/photos/", "./", "deep/down/"]))
def test_captions_under_any_folder_find_the_images_they_are_of(names, prefix):
    captions = {prefix + name: name for name in names}
    assert match_captions(captions, dict.fromkeys(names)) == {name: name for name in names}


def test_images_without_a_reference_are_left_out(tmp_path):
    path = annotate(tmp_path / "captions.json", {"a.jpg": ["a boat"], "b.jpg": []})
    assert references_of(path) == {"a.jpg": ["a boat"]}
