"""What a caption may be: its length, and what it may not repeat."""

from itertools import pairwise, product

import numpy as np
import pytest

from pipeline.core.settings import DecodingSettings
from pipeline.model.vocabulary import END, PADDING, SPECIAL
from tests.pipeline.model.network.toy_decoder import (
    METHODS,
    NAMES,
    WORDS,
    decoder_of,
    images,
    log_probabilities,
    totals,
    words_of,
    written,
)

every_method = pytest.mark.parametrize("settings", METHODS, ids=NAMES)


def repetitive():
    """A decoder that wants to say one word for ever, and if not that, the same two in turns."""
    decoder = decoder_of()
    decoder.write.kernel.assign(decoder.write.kernel * 0.05)
    decoder.write.bias.assign([0.0, 0.0, 0.0, -2.0, 9.0, 6.0, 3.0, *[0.0] * (WORDS - 3)])
    return decoder


def hasty():
    """A decoder that wants to end at once."""
    decoder = decoder_of()
    decoder.write.bias.assign(np.eye(WORDS + len(SPECIAL))[END] * 20.0)
    return decoder


def repeats(ids):
    """Whether a word comes twice in a row, or a pair of words twice."""
    pairs = list(pairwise(ids))
    return any(one == other for one, other in pairs) or len(set(pairs)) < len(pairs)


@every_method
@pytest.mark.parametrize("min_words", [1, 3, 6])
def test_no_caption_is_shorter_than_asked(settings, min_words):
    tokens, scores = written(hasty(), images(4), min_words=min_words, max_words=6, **settings)
    lengths = [len(words_of(row)) - 1 for row in tokens.reshape(-1, 7)]
    assert min(lengths) == min_words
    assert max(lengths) <= 6
    assert (scores > -100).all()


@every_method
def test_a_minimum_that_is_reached_anyway_changes_nothing(settings):
    decoder, features = repetitive(), images(3)
    free, asked = (written(decoder, features, min_words=words, max_words=5, **settings) for words in (1, 4))
    assert all(len(words_of(row)) >= 5 for row in free[0][:, 0])
    np.testing.assert_array_equal(free[0][:, 0], asked[0][:, 0])
    np.testing.assert_array_equal(free[1][:, 0], asked[1][:, 0])


@every_method
def test_no_word_comes_twice_in_a_row_and_no_pair_twice(settings):
    decoder, features = repetitive(), images(4)
    free, _ = written(decoder, features, max_words=12, **settings)
    assert all(repeats(words_of(row)) for row in free[:, 0])
    tokens, scores = written(decoder, features, max_words=12, block_repeats=True, **settings)
    for row in tokens.reshape(-1, 13):
        ids = words_of(row)
        assert not repeats(ids)
        assert ids[-1] == END
        assert min(ids[:-1]) >= len(SPECIAL)
        assert (row[len(ids) :] == PADDING).all()
    assert max(len(words_of(row)) for row in tokens[:, 0]) > 6
    assert len({len(set(words_of(row))) for row in tokens[:, 0]} - {1}) > 0
    assert (scores > -100).all()


@every_method
def test_blocking_changes_no_score_of_what_it_lets_through(settings):
    decoder, features = repetitive(), images(3)
    tokens, scores = written(decoder, features, max_words=8, block_repeats=True, **settings)
    for feature, hypotheses, given in zip(features, tokens, scores, strict=True):
        captions = [words_of(row) for row in hypotheses]
        means = [total / len(ids) for total, ids in zip(totals(decoder, feature, captions), captions, strict=True)]
        np.testing.assert_allclose(given, means, atol=1e-5)


def test_greedily_where_nothing_is_repeated_blocking_changes_nothing():
    decoder, features = decoder_of(), images(40)
    free, blocked = (written(decoder, features, method="greedy", max_words=6, block_repeats=block) for block in (0, 1))
    clean = [not repeats(words_of(row)) for row in free[0][:, 0]]
    assert any(clean)
    assert not all(clean)
    np.testing.assert_array_equal(free[0][clean], blocked[0][clean])


def test_greedily_the_likeliest_word_that_repeats_nothing_is_taken():
    decoder, features = repetitive(), images(3)
    tokens, _ = written(decoder, features, method="greedy", max_words=9, min_words=2, block_repeats=True)
    for feature, row in zip(features, tokens[:, 0], strict=True):
        ids: list[int] = []
        while not ids or ids[-1] != END:
            likely = log_probabilities(decoder, feature, [[*ids, END]])[0, -1]
            barred = [word for word in range(len(likely)) if word < END or (word > END and repeats([*ids, word]))]
            likely[barred + [END] * (len(ids) < 2)] = -np.inf
            ids.append(END if len(ids) == 9 else int(likely.argmax()))
        assert words_of(row) == ids


@pytest.mark.parametrize("seed", range(3))
def test_a_beam_as_wide_as_the_space_finds_all_that_is_allowed_in_order(seed):
    decoder, features = decoder_of(words=3, seed=seed), images(2, seed)
    ids = range(len(SPECIAL), len(SPECIAL) + 3)
    every = [[*texts, END] for length in (2, 3) for texts in product(ids, repeat=length)]
    allowed = [caption for caption in every if not repeats(caption)]
    assert len(allowed) == 18
    limits = {"max_words": 3, "min_words": 2, "block_repeats": True}
    tokens, _ = written(decoder, features, beam_width=20, length_power=0.0, **limits)
    for feature, hypotheses in zip(features, tokens, strict=True):
        likely = dict(zip(map(tuple, allowed), totals(decoder, feature, allowed), strict=True))
        actual = [tuple(words_of(row)) for row in hypotheses[:18]]
        assert actual == sorted(likely, key=likely.__getitem__, reverse=True)
        assert (hypotheses[18:] == PADDING).all()


def test_a_shortest_caption_above_the_longest_is_refused():
    with pytest.raises(ValueError, match=r"decoding\.min_words=6 is above decoding\.max_words=5"):
        DecodingSettings(min_words=6, max_words=5)
    assert DecodingSettings(min_words=5, max_words=5).min_words == 5
