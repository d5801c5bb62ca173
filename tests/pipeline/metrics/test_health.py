import pytest

from pipeline.metrics.health import DANGLING_WORDS, caption_health


def test_every_share_counts_its_fault():
    health = caption_health(
        [
            "A dog on a",  # dangling
            "A dog dog runs",  # a word twice
            "a cat a cat sits",  # a pair of words twice
            "A [UNK] runs.",
            "a red bird",
            "A red bird.",
            "",
            "...",
        ]
    )
    assert health.dangling == 1 / 8
    assert health.repeated == 2 / 8
    assert health.unknown == 1 / 8
    assert health.empty == 2 / 8
    assert health.unique == 6 / 8  # the two birds, and the two without a word
    assert health.most_frequent == 2 / 8
    assert health.words_used == 9  # a dog on runs cat sits unk red bird
    assert health.mean_words == (4 + 4 + 5 + 3 + 3 + 3) / 8


def test_words_may_come_back_later_in_a_caption():
    assert caption_health(["a man in a hat and a man in a coat"]).repeated == 0


@pytest.mark.parametrize("ending", ["of", "with", "on", "the", "and", "is", "An."])
def test_function_words_dangle(ending):
    assert caption_health([f"a bird {ending}"]).dangling == 1


@pytest.mark.parametrize("ending", ["outside", "water", "up", "each other"])
def test_ordinary_endings_do_not_dangle(ending):
    assert caption_health([f"a bird {ending}"]).dangling == 0


def test_dangling_words_are_single_lower_case_tokens():
    assert all(word == word.lower() and " " not in word for word in DANGLING_WORDS)


def test_no_captions_have_no_faults():
    assert set(caption_health([]).as_dict().values()) == {0}


def test_people_are_healthy(shared_data):
    from pipeline.storage.files import read_json

    human = read_json(shared_data / "data/metric_vectors/flickr8k_val_human_loo.json")["hyps"]
    health = caption_health(list(human.values()))
    assert health.dangling < 0.015
    assert health.repeated < 0.005
    assert health.unique == pytest.approx(0.999)
    assert health.mean_words == pytest.approx(11.4, abs=0.05)
