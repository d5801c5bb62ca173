import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics.normalisation import dotless, is_normalised, joined, normalised
from pipeline.metrics.tokenizer import tokenize
from pipeline.model.vocabulary import standardize

# Ways to write one text, the first as both vocabularies and scores should see it.
VARIANTS = [
    (
        "rock and o'clock",
        "rock and o\u2019clock",
        "rock and o\u2018clock",
        "rock and o\u02bcclock",
        "rock and o\uff07clock",
    ),
    ("well-known", "well\u2010known", "well\u2011known", "well\uff0dknown"),
    ("wordplay", "word\u00adplay", "word\u200dplay", "word\u200cplay", "word\u2060play", "\u200eword\ufeffplay"),
    (
        "full width",
        "\uff46\uff55\uff4c\uff4c\u3000\uff57\uff49\uff44\uff54\uff48",
        "full\u00a0width",
        "full\u202fwidth",
    ),
    ("fire office", "\ufb01re o\ufb03ce", "\ufb01re o\ufb00ice"),
    ("caf\u00e9", "cafe\u0301", "CAF\u00c9"),
    ("istanbul", "\u0130stanbul", "I\u0307stanbul"),
    ("\u0131\u011fd\u0131r", "I\u011eDIR", "\u0131\u011fdIr"),
    ("col\u00b7legi", "col\u2022legi", "COL\u22c5LEGI", "col\u2027legi"),
    ("\u05e6\u05d4\u05f4\u05dc", '\u05e6\u05d4"\u05dc', "\u05e6\u05d4\u201d\u05dc"),
    ("\u05d2\u05f3\u05d9\u05e8\u05e4\u05d4", "\u05d2'\u05d9\u05e8\u05e4\u05d4", "\u05d2\u2019\u05d9\u05e8\u05e4\u05d4"),
    (
        "\u0643\u0644\u0628",
        "\u0643\u064e\u0644\u0652\u0628\u064c",
        "\u0643\u0640\u0644\u0640\u0628",
        "\ufedb\ufee0\ufe90",
    ),
    ("dog", "dog \u2764\ufe0f".removesuffix("\u2764\ufe0f"), "dog\ufe0f", "dog\u3002", "dog\uff01"),
    ("\u72d7 3 \u5339", "\u72d7\uff13\u5339", "\u72d7 3\u5339\u3002", "\u72d7\u30013\u5339"),
]


@pytest.mark.parametrize("variants", VARIANTS, ids=lambda variants: ascii(variants[0]))
def test_ways_to_write_one_text_are_the_same_words_for_vocabulary_and_scores(variants):
    assert {standardize(text) for text in variants} == {variants[0]}
    assert len({tuple(tokenize(text)) for text in variants}) == 1
    if "'" not in variants[0]:
        assert tokenize(variants[0]) == variants[0].split()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\u4e00\u53ea\u72d7\u3002", ["\u4e00", "\u53ea", "\u72d7"]),
        ("\u72ac\u30c6\u30fc", ["\u72ac", "\u30c6", "\u30fc"]),
        ("\u0e2a\u0e35\u0e14\u0e33", ["\u0e2a\u0e35", "\u0e14", "\u0e33"]),
        ("\u1786\u17d2\u1780\u17c2\u1781", ["\u1786\u17d2\u1780\u17c2", "\u1781"]),
        ("\u1001\u103d\u1031\u1038\u1014", ["\u1001\u103d\u1031\u1038", "\u1014"]),
        ("\u0e9d\u0eb2\u0eaa\u0eb5", ["\u0e9d", "\u0eb2", "\u0eaa\u0eb5"]),
        ("\u0915\u0941\u0924\u094d\u0924\u093e", ["\u0915\u0941\u0924\u094d\u0924\u093e"]),
        ("con ch\u00f3 \u0111en", ["con", "ch\u00f3", "\u0111en"]),
    ],
)
def test_characters_with_their_marks_are_words_only_where_a_script_has_no_spaces(text, words):
    assert standardize(text).split() == tokenize(text) == words
    assert joined(words) == text.rstrip("\u3002")


@given(st.text(st.characters(max_codepoint=127)))
def test_english_stays_as_it_is(text):
    assert normalised(text) is text


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=30))
def test_normalising_twice_changes_nothing_more(text):
    words = standardize(text)
    assert standardize(words) == words
    assert standardize(joined(words.split())) == words
    assert standardize(unicodedata.normalize("NFD", text)) == standardize(unicodedata.normalize("NFC", text))


def test_a_long_caption_takes_no_longer_than_its_length():
    assert len(standardize("\u72d7\u2019l\u00b7l" * 10_000).split()) == 20_000


def test_what_changes_is_known():
    assert not any(map(is_normalised, ["a dog's caf\u00e9", "caf\u0065\u0301", "\u0441\u043e\u0431\u0430\u043a\u0430"]))
    assert all(map(is_normalised, ["a dog\u2019s", "\u72d7\u72d7", "soft\u00adhyphen"]))


@pytest.mark.parametrize(
    ("text", "read"), [("ILIK I\u015eIK", "\u0131lik"), ("\u0130yi", "iyi"), ("I\u0307yi", "iyi"), ("ad", "ad")]
)
def test_dotless_letters(text, read):
    assert standardize(dotless(text)).split()[0].replace("\u0131k", "ik") == read
