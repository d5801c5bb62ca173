"""`nightcap score`: captions that any system wrote."""

import json

import pytest

from tests.nightcap.annotated import annotate, captions_of, lines

pytestmark = pytest.mark.usefixtures("without_java")


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
    assert list(report) == ["images", "scores", "intervals", "health", "missing"]
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


def test_two_systems_are_compared_image_by_image(run, annotations, tmp_path):
    good = lines(
        tmp_path / "good.jsonl", *captions_of(a="a red boat on a lake", b="two dogs run over grass", c="a horse")
    )
    poor = lines(tmp_path / "poor.jsonl", *captions_of(a="a boat", b="a cat", c="a horse"))
    report = json.loads(run("score", "--annotations", annotations, "--captions", good, "--against", poor).out)
    alone = json.loads(run("score", "--annotations", annotations, "--captions", poor).out)
    assert {key: report["against"][key] for key in alone} == alone
    low, high = report["against"]["differences"]["rouge_l"]
    assert 0 <= low < report["scores"]["rouge_l"] - alone["scores"]["rouge_l"] < high
    assert run("score", "--annotations", annotations, "--captions", good, "--against", tmp_path / "none").code == 2


def test_no_caption_at_all_scores_nothing(run, annotations, tmp_path):
    done = run("score", "--annotations", annotations, "--captions", lines(tmp_path / "none.jsonl"))
    report = json.loads(done.out)
    assert report["missing"] == 3
    assert not any(report["scores"].values())


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
    [(None, "No such file"), (b'{"image": "\x81', "byte 11 is no UTF-8")],
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


def test_ambiguous_captions_are_refused(run, tmp_path):
    annotations = annotate(tmp_path / "captions.json", {"x/a.jpg": ["a boat"], "y/a.jpg": ["a cat"]})
    given = lines(tmp_path / "given.jsonl", *captions_of(a="a boat"))
    done = run("score", "--annotations", annotations, "--captions", given)
    assert done.refused(2, "'a.jpg'", "x/a.jpg, y/a.jpg", "relative")


@pytest.mark.parametrize(("language", "score"), [("tr", 1), ("TR", 1), ("en", 0), (None, 0)])
def test_21_10_capitals_are_those_of_the_language(run, tmp_path, language, score):
    """The vocabulary of a training with `source.language: tr` reads them so."""
    annotations = annotate(tmp_path / "captions.json", {"a.jpg": ["IRMAK ISLIK"]})
    given = lines(tmp_path / "given.jsonl", *captions_of(a="\u0131rmak \u0131sl\u0131k"))
    asked = ("--language", language) if language else ()
    done = run("score", "--annotations", annotations, "--captions", given, *asked)
    assert json.loads(done.out)["scores"]["bleu_1"] == pytest.approx(score, abs=1e-3)


def test_a_language_that_nobody_knows_is_refused(run, annotations, tmp_path):
    done = run("score", "--annotations", annotations, "--captions", tmp_path, "--language", "turkish")
    assert done.refused(2, "--language", "'turkish'", "ISO 639-1")
