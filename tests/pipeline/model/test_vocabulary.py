import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.core.errors import BundleRejected
from pipeline.model.vocabulary import END, PADDING, SPECIAL, START, UNKNOWN, Vocabulary, standardize

TEXT = st.text() | st.lists(st.sampled_from([*SPECIAL, "dog", "'", "-", "\u2019", " ", "É", "\u0331", "İ"])).map(
    "".join
)


def test_special_words_have_fixed_places():
    assert SPECIAL == ("", "[UNK]", "<start>", "<end>")
    assert (PADDING, UNKNOWN, START, END) == (0, 1, 2, 3)
    assert Vocabulary.of(["dog"]).words == (*SPECIAL, "dog")


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A dog, running.", "a dog running"),
        ("  Two\tdogs\n\nrun ", "two dogs run"),
        ("the dog's rock-'n'-roll ball-game", "the dog's rock n roll ball-game"),
        ("'quoted' - dash--dash", "quoted dash dash"),
        ("l\u2019homme", "l'homme"),
        ("<start> a [UNK] <end>", "start a unk end"),
        ("50% of $3.50", "50 of 3 50"),
        ("Ein GROẞER Hund", "ein großer hund"),
        ("犬が走る。", "犬 が 走 る"),
        ("e\u0301te\u0301", "été"),
        ("कुत्ता दौड़", unicodedata.normalize("NFC", "कुत्ता दौड़")),
        ("dog\u200bcat\x00x 🐕", "dog cat x"),
        ("...", ""),
        ("", ""),
    ],
)
def test_words_in_any_language(caption, words):
    assert standardize(caption) == words


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("\u4e00\u53ea \u72d7\u3002", ["\u4e00\u53ea", "\u72d7"]),
        ("l\u2019homme col\u00b7legi", ["l\u2019homme", "col", "legi"]),
        ("soft\u00adhyphen \uff24\uff4f\uff47", ["soft", "hyphen", "\uff44\uff4f\uff47"]),
    ],
)
def test_words_of_the_first_form_are_as_they_were(caption, words):
    vocabulary = Vocabulary((*SPECIAL, *words), normalisation=1)
    assert standardize(caption, normalisation=1).split() == words
    assert vocabulary.decode(vocabulary.encode(caption, 9)) == " ".join(words)


@pytest.mark.parametrize(("one", "other"), [("H\u0331", "\u1e96"), ("J\u030c", "\u01f0"), ("\u212b", "A\u030a")])
def test_one_word_however_its_letters_are_written(one, other):
    assert standardize(one) == standardize(other) == standardize(standardize(one))


@given(TEXT)
@example("<end>")
@example("H\u0331")
def test_standardized_text_holds_no_special_word_and_stays_as_it_is(text):
    actual = standardize(text)
    assert not set(actual.split(" ")) & set(SPECIAL[1:])
    assert "  " not in actual
    assert actual == actual.strip()
    assert not set(actual) & set("<>[]\n\t")
    assert standardize(actual) == actual


@given(TEXT)
def test_a_caption_comes_back_from_its_ids(text):
    words = standardize(text).split()
    vocabulary = Vocabulary.of(dict.fromkeys(words))
    ids = vocabulary.encode(text, max_words=1000)
    assert ids[0] == START
    assert ids[-1] == END
    assert all(index > END for index in ids[1:-1])
    assert vocabulary.decode(ids) == " ".join(words)


@given(st.lists(st.sampled_from(["dog", "cat", "bird"]), max_size=12), st.integers(1, 8))
def test_a_caption_is_cut_to_the_most_words(words, most):
    ids = Vocabulary.of(["dog", "cat", "bird"]).encode(" ".join(words), most)
    assert len(ids) == min(len(words), most) + 2
    assert ids[-1] == END


def test_unknown_words_are_unknown_and_left_out_of_the_text():
    vocabulary = Vocabulary.of(["dog", "runs"])
    assert vocabulary.encode("A dog runs", 10) == [START, UNKNOWN, 4, 5, END]
    assert vocabulary.decode([START, UNKNOWN, 4, 5, END]) == "dog runs"


def test_nothing_after_the_end_is_read():
    assert Vocabulary.of(["dog", "runs"]).decode([4, END, 5, PADDING]) == "dog"
    assert Vocabulary.of(["dog", "runs"]).decode([4, 5]) == "dog runs"
    assert Vocabulary.of(["dog"]).decode([END, 4]) == ""


def test_the_size_counts_the_special_words():
    assert len(Vocabulary.of([])) == 4
    assert len(Vocabulary.of(["dog", "cat"])) == 6


@given(st.lists(st.text(min_size=1).map(standardize).filter(lambda word: word and " " not in word), unique=True))
def test_a_file_is_read_as_it_was_written(tmp_path_factory, words):
    path = tmp_path_factory.getbasetemp() / "vocabulary.txt"
    vocabulary = Vocabulary.of(words)
    vocabulary.write(path)
    assert Vocabulary.read(path) == vocabulary
    lines = path.read_bytes().decode("utf-8").split("\n")
    assert lines == [*SPECIAL, *words, ""]


@pytest.mark.parametrize(
    "words", [(), ("dog",), ("[UNK]", "", "<start>", "<end>"), ("", "[UNK]", "<start>"), (*SPECIAL[:3], "dog")]
)
def test_words_without_the_special_ones_first_are_refused(words):
    with pytest.raises(BundleRejected, match="must begin with"):
        Vocabulary(words)


@pytest.mark.parametrize("words", [["dog", "dog"], [""], ["<end>"]])
def test_a_word_that_stands_twice_is_refused(words):
    with pytest.raises(BundleRejected, match="stands twice"):
        Vocabulary.of(words)
