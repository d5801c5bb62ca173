import threading
from collections import Counter

import numpy as np
import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.examples import LIKE_LENGTH_BATCHES, Examples
from pipeline.vocabulary import END, PADDING, START


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return toy.examples(tmp_path_factory.mktemp("features"))


def texts_of(batch):
    return [toy.VOCABULARY.decode(row.tolist()) for row in batch.tokens]


def of_lengths(lengths):
    """Examples of which only the lengths matter."""
    lengths = np.array(lengths, np.int32)
    return Examples(None, tuple(map(str, range(len(lengths)))), np.ones((len(lengths), 1), np.int32), lengths)


def test_every_caption_of_a_split_is_a_pair_with_its_picture(examples):
    snapshot = toy.snapshot()
    assert len(examples) == 30
    sha_of = dict(zip(snapshot.images["image"], snapshot.images["sha256"], strict=True))
    expected = Counter(
        (sha_of[image], caption) for image, _, caption in snapshot.captions_of("train").itertuples(index=False)
    )
    texts = [toy.VOCABULARY.decode(row.tolist()) for row in examples.tokens]
    assert Counter(zip(examples.shas, texts, strict=True)) == expected


def test_an_epoch_has_every_pair_once_beside_its_own_features(examples):
    seen = Counter()
    for batch in examples.batches(7, seed=1, epoch=1):
        assert batch.features.dtype == np.float16
        assert batch.features.shape == (len(batch.tokens), toy.POSITIONS, toy.CHANNELS)
        for features, text in zip(batch.features, texts_of(batch), strict=True):
            seen[features.tobytes(), text] += 1
    expected = Counter(
        (examples.features.gather([sha])[0].tobytes(), toy.VOCABULARY.decode(row.tolist()))
        for sha, row in zip(examples.shas, examples.tokens, strict=True)
    )
    assert seen == expected


def test_a_batch_is_padded_to_its_own_longest(examples):
    widths = set()
    for batch in examples.batches(4, seed=1, epoch=1):
        lengths = (batch.tokens != PADDING).sum(axis=1)
        assert batch.tokens.shape[1] == lengths.max()
        assert (batch.tokens[:, 0] == START).all()
        assert all(row[length - 1] == END for row, length in zip(batch.tokens, lengths, strict=True))
        assert all((row[length:] == PADDING).all() for row, length in zip(batch.tokens, lengths, strict=True))
        widths.add(batch.tokens.shape[1])
    assert len(widths) > 1


def test_long_captions_are_cut(tmp_path):
    examples = toy.examples(tmp_path, max_words=3)
    assert examples.tokens.shape[1] == 3 + 2
    assert examples.lengths.max() == 5
    assert (examples.tokens == END).sum() == len(examples)


@given(st.lists(st.integers(3, 12), min_size=1, max_size=200), st.integers(1, 9), st.integers(0, 99), st.integers(0, 9))
def test_the_order_is_a_partition_fixed_by_seed_and_epoch(lengths, size, seed, epoch):
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


def test_an_error_while_preparing_is_raised_where_batches_are_used(examples):
    broken = Examples(examples.features, ("never extracted",) * 3, examples.tokens[:3], examples.lengths[:3])
    with pytest.raises(KeyError, match="never extracted"):
        list(broken.batches(2, 1, 1))


def test_leaving_an_epoch_early_leaves_no_thread(examples):
    before = threading.active_count()
    batches = examples.batches(2, 1, 1)
    next(batches)
    batches.close()
    assert threading.active_count() == before
