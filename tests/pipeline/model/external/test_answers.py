"""What an external captioner says is believed only where it can be a caption."""

import pytest

from pipeline.core.errors import BadInput
from pipeline.model.external.answers import captions_of


@pytest.mark.parametrize(
    "caption",
    [
        None,
        7,
        "",
        " \n",
        "?!",
        "x" * 1001,
        "<b>bold</b>",
        "a </p>",
        "<!-- -->",
        "a\x00b",
        "a\x1b[31m",
        "\u202egnp",
        "\u2066a",
        "a\u200b",
        "\ufeffa",
        "\ud800a",
        "\ue000a",
        ["a"],
        {"a": 1},
    ],
)
def test_what_is_no_caption(caption):
    [result] = captions_of([{"caption": caption}], 1)
    assert (result.text, result.score, result.reason) == ("", None, "caption_rejected")


@pytest.mark.parametrize(
    ("answer", "score", "confidence"),
    [
        ({"score": -0.5, "confidence": 0.7}, -0.5, 0.7),
        ({"score": 0.9, "confidence": -1}, None, None),
        ({"score": "good", "confidence": True}, None, None),
        ({"score": float("nan"), "confidence": float("inf")}, None, None),
        ({"score": -(10**400)}, None, None),
        ({}, None, None),
    ],
)
def test_figures_are_taken_only_where_they_can_be_ours(answer, score, confidence):
    [result] = captions_of([answer | {"caption": " two\n words "}], 1)
    assert (result.text, result.score, result.confidence, result.reason) == ("two words", score, confidence, None)


@pytest.mark.parametrize("caption", ["a café", "3 < 4", "一只狗", "में\u200dके", "a dog \U0001f436"])
def test_captions_of_any_language_stay(caption):
    assert captions_of([{"caption": caption}], 1)[0].text == caption


@pytest.mark.parametrize("answers", [None, {}, [], ["a"], [{"caption": "a"}] * 3])
def test_the_wrong_number_of_answers_is_a_failure(answers):
    with pytest.raises(BadInput, match="answers for 2 images") as caught:
        captions_of(answers, 2)
    assert caught.value.reason == "captioner_failed"
