import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.metrics.bleu import match
from pipeline.metrics.cider import DocumentFrequencies, cider_d
from pipeline.model.vocabulary import END, START
from pipeline.training.batches import Batch
from pipeline.training.reward import Reward, advantages
from tests.pipeline.training import toy

IMAGES = [toy.captions_of(number) for number in range(5)]
SAID = ["a red dog", "red dog left", "a very big grey bird sits", "dog", "a a a a", "", "blue very cat sits", "left"]


def ids_of(text, places=12, ended=True):
    ids = toy.VOCABULARY.encode(text, 30)[: None if ended else -1]
    return np.pad(np.array(ids, np.int32), (0, places - len(ids)))


def rows_of(captions):
    return np.stack([ids_of(caption) for caption in captions])


def batch_of(images):
    owners = np.repeat(np.arange(len(images), dtype=np.int32), [len(own) for own in images])
    return Batch(np.zeros((len(images), 1, 1), np.float16), owners, np.concatenate([rows_of(own) for own in images]))


def reward_of(bleu_weight=0.0):
    return Reward.of(toy.VOCABULARY, [rows_of(own) for own in IMAGES], bleu_weight)


def rewards(texts, image, ended=True, **options):
    sampled = np.stack([ids_of(text, ended=ended) for text in texts])
    return reward_of(**options)(batch_of(IMAGES), sampled, np.full(len(texts), image, np.int32))


def with_end(text):
    return [*text.split(), "<end>"]


@pytest.mark.parametrize("image", range(len(IMAGES)))
def test_it_is_cider_d_with_the_end_as_a_word(image):
    frequencies = DocumentFrequencies.of([[with_end(text) for text in own] for own in IMAGES])
    vectors = [frequencies.vector(with_end(text)) for text in IMAGES[image]]
    expected = [cider_d(vectors, frequencies.vector(with_end(text))) for text in SAID]
    actual = rewards(SAID, image)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
    assert max(expected) > 0


def test_each_caption_is_compared_with_its_own_image_s():
    batch, owners = batch_of(IMAGES), np.array([3, 0, 3, 1], np.int32)
    sampled = rows_of(["a grey dog", "a red dog", "a red dog", "a blue cat"])
    together = reward_of()(batch, sampled, owners)
    alone = [reward_of()(batch, row[None], owner[None])[0] for row, owner in zip(sampled, owners, strict=True)]
    np.testing.assert_array_equal(together, alone)
    assert together[0] > together[2]


@pytest.mark.parametrize("bleu_weight", [0.0, 1.0])
def test_a_caption_sampled_several_times_is_worth_the_same_each_time(bleu_weight):
    batch = batch_of(IMAGES)
    sampled, owners = rows_of(["a red dog", "a grey dog", "a red dog", "a red dog"]), np.array([0, 0, 0, 1], np.int32)
    actual = reward_of(bleu_weight)(batch, sampled, owners)
    assert actual[0] == actual[2] != actual[3]
    assert actual[1] == reward_of(bleu_weight)(batch, sampled[1:2], owners[1:2])[0]


@pytest.mark.parametrize("number", range(5))
def test_a_caption_broken_off_before_its_end_is_worth_less_than_the_whole_one(number):
    for text in IMAGES[number]:
        words = text.split()
        [whole] = rewards([text], number)
        assert rewards([text], number, ended=False)[0] < whole
        broken = [" ".join(words[:length]) for length in range(1, len(words))]
        assert rewards(broken, number, ended=False).max() < whole


def test_ending_in_a_word_that_no_caption_ends_in_does_not_pay():
    """What people never write before the end is rare with it, and common without."""
    images = [["a dog on a red bird", "a big dog sits"], ["a cat on a grey dog"], ["a bird on a blue cat"]]
    vocabulary = toy.Vocabulary.of(["on", *toy.VOCABULARY.words[4:]])

    def encoded(texts):
        ids = [vocabulary.encode(text, 30) for text in texts]
        return np.stack([np.pad(np.array(row, np.int32), (0, 12 - len(row))) for row in ids])

    references = [encoded(own) for own in images]
    batch = Batch(np.zeros((1, 1, 1), np.float16), np.zeros(2, np.int32), references[0])
    dangling, whole = Reward.of(vocabulary, references, 0.0)(
        batch, encoded(["a dog on a", "a dog on a bird"]), np.zeros(2, np.int32)
    )
    assert dangling < whole


@pytest.mark.parametrize("weight", [0.5, 4.0])
def test_bleu_is_added_with_its_weight(weight):
    plain, mixed = rewards(SAID, 1), rewards(SAID, 1, bleu_weight=weight)
    bleu = [match([with_end(text) for text in IMAGES[1]], with_end(text)).bleu()[-1] for text in SAID]
    np.testing.assert_allclose(mixed - plain, weight * np.array(bleu), atol=1e-5)
    [best] = rewards([IMAGES[1][0]], 1, bleu_weight=1.0) - rewards([IMAGES[1][0]], 1)
    assert best == pytest.approx(1.0, abs=1e-5)


def test_start_and_padding_are_no_words():
    sampled = ids_of("a blue cat", places=20)
    bare = sampled[1:5]
    assert (bare[-1], sampled[0]) == (END, START)
    whole, without = (reward_of()(batch_of(IMAGES), row[None], np.array([1], np.int32)) for row in (sampled, bare))
    assert whole == without


REWARDS = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 6), st.integers(2, 7)), elements=st.floats(0, 10, width=32)
)


@given(REWARDS)
def test_a_sample_s_advantage_is_over_the_mean_of_the_others_of_its_image(each):
    actual = advantages(each.reshape(-1), each.shape[1])
    expected = [
        value - np.delete(row.astype("float64"), place).mean() for row in each for place, value in enumerate(row)
    ]
    assert actual.shape == (each.size,)
    np.testing.assert_allclose(actual, expected, atol=1e-4)


@given(REWARDS)
def test_advantages_of_an_image_sum_to_zero(each):
    actual = advantages(each.reshape(-1), each.shape[1]).reshape(each.shape)
    np.testing.assert_allclose(actual.sum(axis=1), 0, atol=1e-4)
