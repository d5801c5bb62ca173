import threading
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.snapshot import Snapshot
from pipeline.model.vocabulary import END, PADDING, START
from pipeline.training.batches import LIKE_LENGTH_BATCHES, Examples
from tests.pipeline.training import toy


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return toy.examples(tmp_path_factory.mktemp("features"))


def texts_of(rows):
    return tuple(toy.VOCABULARY.decode(row.tolist()) for row in rows)


def captions_by_sha(taken, split="train"):
    sha_of = dict(zip(taken.images["image"], taken.images["sha256"], strict=True))
    return {sha_of[image]: tuple(texts) for image, texts in taken.references(split).items()}


def of_lengths(lengths):
    """Examples of one caption an image, of which only the lengths matter."""
    lengths = np.array(lengths, np.int32)
    return bare(np.arange(len(lengths) + 1), lengths)


def bare(starts, lengths, views=()):
    """Examples without words."""
    tokens = np.ones((len(lengths), 1), np.int32)
    return Examples(
        views,
        tuple(map(str, range(len(starts) - 1))),
        starts,
        tokens,
        lengths,
        np.arange(2),
        np.ones(len(starts) - 1, int),
    )


def test_every_image_of_a_split_comes_with_all_its_captions(examples):
    assert len(examples) == 10
    assert {len(rows) for rows in examples.captions()} == {2, 3}
    actual = {sha: texts_of(rows) for sha, rows in zip(examples.shas, examples.captions(), strict=True)}
    assert actual == captions_by_sha(toy.snapshot())


def test_the_same_photograph_under_two_names_is_one_image(tmp_path):
    taken = toy.snapshot()
    images = taken.images.copy()
    images.loc[images["image"] == "1.png", "sha256"] = images.loc[images["image"] == "0.png", "sha256"].item()
    doubled = Snapshot(images, taken.captions, taken.objects)
    examples = Examples.of(doubled, "train", toy.VOCABULARY, [toy.features(tmp_path, taken)], 30)
    actual = {sha: Counter(texts_of(rows)) for sha, rows in zip(examples.shas, examples.captions(), strict=True)}
    assert len(actual) == 9
    [sha] = set(images.loc[images["image"] == "1.png", "sha256"])
    assert actual[sha] == Counter(toy.captions_of(0) + toy.captions_of(1))


@pytest.mark.parametrize("size", [1, 3, 10, 99])
def test_an_epoch_has_every_image_once_in_one_of_its_views_beside_its_own_captions(examples, size):
    whole, mirrored = (
        {features.tobytes(): sha for sha, features in zip(examples.shas, view.gather(examples.shas), strict=True)}
        for view in examples.views
    )
    captions = captions_by_sha(toy.snapshot())
    actual, turned = Counter(), 0
    for batch in examples.batches(size, seed=1, epoch=1):
        assert batch.features.dtype == np.float16
        assert batch.features.shape[1:] == (toy.POSITIONS, toy.CHANNELS)
        assert len(batch.features) <= size
        assert batch.images.dtype == batch.tokens.dtype == np.int32
        assert sorted(set(batch.images)) == list(range(len(batch.features)))
        for number, features in enumerate(batch.features):
            sha = whole.get(features.tobytes()) or mirrored[features.tobytes()]
            result = tuple(text.replace("right", "left") for text in texts_of(batch.tokens[batch.images == number]))
            is_turned = features.tobytes() in mirrored
            assert any("right" in text for text in texts_of(batch.tokens[batch.images == number])) == (
                is_turned and any("left" in text for text in captions[sha])
            )
            actual[sha, result] += 1
            turned += is_turned
    assert actual == Counter(captions.items())
    assert 0 < turned < len(examples)


def test_every_epoch_shows_views_anew_and_the_same_again_for_the_same_seed(examples):
    shown = {}
    for key in ((1, 1), (1, 2), (2, 1), (1, 1)):
        order = np.concatenate(examples.order(4, *key))
        batches = np.concatenate([batch.features for batch in examples.batches(4, *key)])
        own = examples.views[0].gather(examples.shas)[order]
        views = tuple((batches != own).any(axis=(1, 2))[np.argsort(order)])
        assert shown.setdefault(key, views) == views
    assert len(set(shown.values())) == 3


def test_with_one_view_captions_are_as_people_wrote_them(tmp_path):
    examples = Examples.of(toy.snapshot(), "train", toy.VOCABULARY, [toy.features(tmp_path, toy.snapshot())], 30)
    result = {text for epoch in range(5) for batch in examples.batches(4, 1, epoch) for text in texts_of(batch.tokens)}
    assert result == {text for number in range(10) for text in toy.captions_of(number)}


def test_a_batch_is_padded_to_its_own_longest(tmp_path):
    taken, mixed = toy.snapshot(), toy.examples(tmp_path)
    short = Snapshot(taken.images, taken.captions[taken.captions["position"] != 1], taken.objects)
    widths = set()
    for examples in (mixed, Examples.of(short, "train", toy.VOCABULARY, mixed.views, 30)):
        for batch in examples.batches(1, seed=1, epoch=1):
            lengths = (batch.tokens != PADDING).sum(axis=1)
            assert batch.tokens.shape[1] == lengths.max()
            assert (batch.tokens[:, 0] == START).all()
            assert all(row[length - 1] == END for row, length in zip(batch.tokens, lengths, strict=True))
            assert all((row[length:] == PADDING).all() for row, length in zip(batch.tokens, lengths, strict=True))
            widths.add(batch.tokens.shape[1])
    assert widths == {5, 8}


def test_long_captions_are_cut(tmp_path):
    examples = toy.examples(tmp_path, max_words=3)
    assert examples.tokens.shape[1] == 3 + 2
    assert examples.lengths.max() == examples.longest.max() == 5
    assert (examples.tokens == END).sum() == len(examples.tokens) == 25


def test_an_image_is_as_long_as_its_longest_caption(examples):
    assert examples.longest.tolist() == [(rows != PADDING).sum(axis=1).max() for rows in examples.captions()]
    assert examples.longest.tolist() == [8] * 10


@given(st.lists(st.integers(3, 12), min_size=1, max_size=200), st.integers(1, 9), st.integers(0, 99), st.integers(0, 9))
def test_the_order_is_a_permutation_fixed_by_seed_and_epoch(lengths, size, seed, epoch):
    examples = of_lengths(lengths)
    order = examples.order(size, seed, epoch)
    assert sorted(np.concatenate(order)) == list(range(len(lengths)))
    assert max(map(len, order)) <= size
    again = of_lengths(lengths).order(size, seed, epoch)
    assert [rows.tolist() for rows in again] == [rows.tolist() for rows in order]


def test_epochs_and_seeds_differ_in_order_but_not_in_the_number_of_batches():
    examples = of_lengths(np.random.default_rng(0).integers(3, 20, 5000))
    orders = [examples.order(16, *key) for key in ((1, 1), (1, 2), (2, 1))]
    assert len({tuple(np.concatenate(order)) for order in orders}) == 3
    assert len({len(order) for order in orders}) == 1


def test_batches_are_of_like_length_and_come_mixed():
    size = 16
    lengths = np.random.default_rng(0).integers(3, 30, size * LIKE_LENGTH_BATCHES * 3)
    order = of_lengths(lengths).order(size, 1, 1)
    spread = [np.ptp(lengths[rows]) for rows in order]
    assert np.mean(spread) < 2
    longest = [lengths[rows].max() for rows in order]
    assert longest != sorted(longest)
    assert abs(np.corrcoef(longest, range(len(longest)))[0, 1]) < 0.3


@given(st.lists(st.lists(st.integers(3, 9), min_size=1, max_size=6), min_size=1, max_size=30), st.integers(1, 7))
def test_however_many_captions_an_image_has_they_are_sorted_in_by_the_longest(lengths, size):
    starts = np.concatenate([[0], np.cumsum([len(own) for own in lengths])])
    flat = np.array([length for own in lengths for length in own], np.int32)
    examples = bare(starts, flat)
    assert examples.longest.tolist() == [max(own) for own in lengths]
    assert [len(rows) for rows in examples.captions()] == [len(own) for own in lengths]
    assert sorted(np.concatenate(examples.order(size, 0, 0))) == list(range(len(lengths)))


def test_an_error_while_preparing_is_raised_where_batches_are_used(examples):
    broken = replace(examples, shas=("never extracted",) * len(examples))
    with pytest.raises(KeyError, match="never extracted"):
        list(broken.batches(2, 1, 1))


def test_leaving_an_epoch_early_leaves_no_thread(examples):
    before = threading.active_count()
    batches = examples.batches(2, 1, 1)
    next(batches)
    batches.close()
    assert threading.active_count() == before
