from collections import Counter

import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import DatasetRejected
from pipeline.core.settings import TrainSettings, ValidationSettings, VocabularySettings
from pipeline.model.vocabulary import SPECIAL, Vocabulary, standardize
from pipeline.storage.files import read_json
from pipeline.training.run import TrainingRun
from pipeline.training.vocabulary_stage import adapt, adapt_vocabulary, coverage
from pipeline.training_pipeline import run_until

CAPTIONS = ["A dog runs.", "a dog sits", "A cat sits!", "the bird"]


def test_the_most_frequent_words_come_first():
    words = adapt(VocabularySettings(), CAPTIONS * 3 + ["bird"]).words
    assert words[:4] == SPECIAL
    counts = Counter(word for caption in CAPTIONS * 3 + ["bird"] for word in standardize(caption).split())
    assert sorted(words[4:]) == sorted(counts)
    assert [counts[word] for word in words[4:]] == sorted(counts.values(), reverse=True)
    assert words[4] == "a"


@pytest.mark.parametrize("size", [8, 9, 10])
def test_there_are_at_most_vocabulary_size_words_special_ones_counted(size):
    whole = adapt(VocabularySettings(), CAPTIONS)
    cut = adapt(VocabularySettings(vocabulary_size=size), CAPTIONS)
    assert len(whole) == 4 + 7
    assert cut.words == whole.words[:size]


def test_rare_words_are_left_out():
    words = adapt(VocabularySettings(min_count=2), CAPTIONS).words
    assert set(words[4:]) == {"a", "dog", "sits"}


def test_the_order_of_captions_changes_nothing():
    captions = [f"{first} {second}" for first in "abcdefgh" for second in "hgfedcba"]
    assert adapt(VocabularySettings(), captions) == adapt(VocabularySettings(), captions[::-1])


def test_special_words_in_captions_are_ordinary_ones():
    assert set(adapt(VocabularySettings(), ["<start> [UNK] <end> dog"]).words[4:]) == {"start", "unk", "end", "dog"}


@pytest.mark.parametrize("captions", [[], ["..."], ["", "!?"]])
def test_captions_without_a_word_are_rejected(captions):
    with pytest.raises(DatasetRejected, match="no word"):
        adapt(VocabularySettings(), captions)


def test_coverage_counts_words_as_often_as_they_stand_there():
    figures = coverage(Vocabulary.of(["a", "dog"]), ["a dog runs", "A cat runs"])
    assert figures["size"] == 6
    assert figures["val_words"] == 6
    assert figures["val_coverage"] == pytest.approx(3 / 6)
    assert figures["val_out_of_vocabulary"] == pytest.approx(3 / 6)
    assert figures["most_frequent_unknown"] == [("runs", 2), ("cat", 1)]


def validated(dataset, tmp_path, language=None, **vocabulary):
    settings = TrainSettings(
        source=dataset.settings(language=language),
        validation=ValidationSettings(min_images=3, near_duplicate_bits=None),
        vocabulary=VocabularySettings(**vocabulary),
    )
    return run_until("validate", TrainingRun(settings, Home(tmp_path, tmp_path / "store", "")))


@pytest.fixture
def captioned(new_dataset, image):
    """A dataset of three images a split, all with captions of one text and a number."""

    def captioned(text):
        dataset = new_dataset()
        for split, first in (("train", 0), ("val", 10), ("test", 20)):
            for number in range(first, first + 3):
                dataset.add(f"{number}.png", [text.format(number)], split, image(number))
        return dataset

    return captioned


@pytest.mark.parametrize(
    ("text", "known"), [("word{0} another{0} third{0} the", "25%"), ("one{0} two{0} three{0}", "0%")]
)
def test_a_vocabulary_that_covers_little_stops_the_training_and_says_what_to_do(captioned, tmp_path, text, known):
    with pytest.raises(DatasetRejected, match=rf"words are {known} of those in .*lower vocabulary.min_count \(2\)"):
        adapt_vocabulary(validated(captioned(text), tmp_path, min_count=2))


@pytest.mark.parametrize(
    ("text", "language"),
    [("一只狗在公园里{}", "Chinese"), ("公園の犬が走る{}", "Japanese"), ("หมาวิ่งในสวน{}", "Thai"), ("a dog {}", None)],
)
def test_in_scripts_without_spaces_characters_are_words(captioned, tmp_path, text, language):
    output = adapt_vocabulary(validated(captioned(text), tmp_path, min_count=2))
    assert output.figures().get("characters_as_words") == language
    words = Vocabulary.read(output.path / "vocabulary.txt")
    assert words.decode(words.encode(text.format(""), 20)) == text.format("").strip()


@pytest.mark.parametrize(
    ("text", "given", "figures"),
    [
        ("หมาวิ่งในสวน{}", None, ("th", "detected", "Thai")),
        ("หมาวิ่งในสวน{}", "th", ("th", "given", "Thai")),
        ("公園の犬が走る{}", "ja-JP", ("ja", "given", "Han")),
        ("a dog runs {}", None, (None, "detected", "Latin")),
        ("a dog runs {}", "en", ("en", "given", "Latin")),
    ],
)
def test_the_language_is_said(captioned, tmp_path, caplog, text, given, figures):
    with caplog.at_level("INFO"):
        output = adapt_vocabulary(validated(captioned(text), tmp_path, given))
    assert tuple(output.figures()[name] for name in ("language", "language_is", "script")) == figures
    assert (
        f"language of the captions: {figures[0] or 'not told apart'} ({figures[1]}), script: {figures[2]}"
        in caplog.text
    )


@pytest.mark.parametrize(
    ("text", "given"), [("一只狗在公园里{}", "ja"), ("a dog runs {}", "th"), ("หมาวิ่งในสวน{}", "en")]
)
def test_a_language_of_another_script_stops_the_training(captioned, tmp_path, text, given):
    with pytest.raises(DatasetRejected, match=f"source.language is {given}, but .* is written in"):
        adapt_vocabulary(validated(captioned(text), tmp_path, given))


def test_outputs_of_captions_that_are_as_they_were_stay_valid(captioned, tmp_path):
    plain = adapt_vocabulary(validated(captioned("a café {}"), tmp_path))
    assert "normalisation" not in read_json(plain.path / "stage.json")["inputs"]
    curly = adapt_vocabulary(validated(captioned("a dog\u2019s café {}"), tmp_path))
    assert read_json(curly.path / "stage.json")["inputs"]["normalisation"] == "2"


def test_only_training_captions_make_the_vocabulary(new_dataset, tmp_path, image):
    dataset = new_dataset()
    for split, animal, first in (("train", "dog", 0), ("val", "zebra", 10), ("test", "yak", 20)):
        for number in range(first, first + 3):
            dataset.add(f"{number}.png", [f"a {animal} {number}", f"the {animal}"], split, image(number))
    output = adapt_vocabulary(validated(dataset, tmp_path))
    words = Vocabulary.read(output.path / "vocabulary.txt").words[4:]
    assert set(words) == {"a", "the", "dog", "0", "1", "2"}
    figures = output.figures()
    assert figures["size"] == 4 + 6
    assert figures["val_words"] == 3 * 5
    assert figures["val_coverage"] == pytest.approx(6 / 15)
    assert figures["most_frequent_unknown"][0] == ["zebra", 6]
