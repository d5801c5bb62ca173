from itertools import product

import numpy as np
import pytest

from pipeline.core.settings import DecodingSettings
from pipeline.model.vocabulary import END, PADDING, SPECIAL, START
from tests.pipeline.model.network.toy_decoder import (
    METHODS,
    NAMES,
    WORDS,
    decoder_of,
    generator_of,
    images,
    log_probabilities,
    totals,
    words_of,
    written,
)


def every_caption(words, max_words):
    """All captions of a toy vocabulary as tokens."""
    ids = range(len(SPECIAL), len(SPECIAL) + words)
    return [[*caption, END] for length in range(1, max_words + 1) for caption in product(ids, repeat=length)]


@pytest.fixture(scope="module")
def decoder():
    return decoder_of()


@pytest.mark.parametrize("fusion", ["late", "early", "hybrid"])
@pytest.mark.parametrize("max_words", [1, 4])
@pytest.mark.parametrize("settings", METHODS, ids=NAMES)
def test_captions_are_words_then_an_end_within_the_limit(settings, max_words, fusion):
    decoder = decoder_of(fusion=fusion)
    tokens, scores = written(decoder, images(6), max_words=max_words, **settings)
    beams = settings.get("beam_width", 1)
    assert tokens.shape == (6, beams, max_words + 1)
    assert scores.shape == (6, beams)
    for row in tokens.reshape(-1, max_words + 1):
        ids = words_of(row)
        assert 2 <= len(ids) <= max_words + 1
        assert all(len(SPECIAL) <= token < len(SPECIAL) + WORDS for token in ids[:-1])
        assert (row[len(ids) :] == PADDING).all()


@pytest.mark.parametrize("settings", METHODS, ids=NAMES)
@pytest.mark.parametrize("favourite", range(4))
def test_special_words_are_never_written_however_likely(favourite, settings):
    decoder = decoder_of()
    decoder.write.bias.assign(np.eye(WORDS + 4)[favourite] * 50.0)
    tokens, _ = written(decoder, images(4), max_words=5, **settings)
    for row in tokens.reshape(-1, 6):
        ids = words_of(row)
        assert ids[-1] == END
        assert len(ids) >= 2
        assert min(ids[:-1]) >= len(SPECIAL)
    if favourite == END:
        assert (tokens[:, 0, 1] == END).all()


@pytest.mark.parametrize("settings", METHODS, ids=NAMES)
def test_the_score_is_the_mean_log_probability_of_words_and_end(decoder, settings):
    features = images(5)
    tokens, scores = written(decoder, features, max_words=6, **settings)
    for feature, hypotheses, given in zip(features, tokens, scores, strict=True):
        captions = [words_of(row) for row in hypotheses]
        means = [total / len(ids) for total, ids in zip(totals(decoder, feature, captions), captions, strict=True)]
        np.testing.assert_allclose(given, means, atol=1e-5)
        assert (given < 0).all()


@pytest.mark.parametrize("settings", METHODS, ids=NAMES)
def test_rare_words_are_favoured_by_the_logarithm_of_their_rank(settings):
    plain, biased, features = decoder_of(), decoder_of(), images(6)
    ranks = np.array([1] * len(SPECIAL) + list(range(1, WORDS + 1)))
    biased.write.bias.assign(biased.write.bias + 0.7 * np.log(ranks))
    favoured = written(plain, features, max_words=6, rare_words=0.7, **settings)
    for actual, expected in zip(favoured, written(biased, features, max_words=6, **settings), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert (favoured[0] != written(plain, features, max_words=6, **settings)[0]).any()


@pytest.mark.parametrize("max_words", [1, 3, 7])
def test_greedy_takes_the_likeliest_word_each_time(decoder, max_words):
    features = images(8)
    tokens, _ = written(decoder, features, method="greedy", max_words=max_words)
    for feature, row in zip(features, tokens[:, 0], strict=True):
        ids: list[int] = []
        while not ids or ids[-1] != END:
            likely = log_probabilities(decoder, feature, [[*ids, END]])[0, -1]
            likely[: START + 1] = -np.inf
            likely[END] = -np.inf if not ids else likely[END]
            ids.append(END if len(ids) == max_words else int(likely.argmax()))
        assert words_of(row) == ids


def test_the_decoder_of_these_tests_ends_early_and_late(decoder):
    tokens, _ = written(decoder, images(10), method="greedy", max_words=6)
    assert {2, 7} <= {len(words_of(row)) for row in tokens[:, 0]}


def test_a_beam_of_one_is_greedy(decoder):
    features = images(10)
    greedy = written(decoder, features, method="greedy", max_words=6)
    beam = written(decoder, features, method="beam", beam_width=1, max_words=6)
    np.testing.assert_array_equal(greedy[0], beam[0])
    np.testing.assert_array_equal(greedy[1], beam[1])


@pytest.mark.parametrize("power", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_beam_as_wide_as_the_space_finds_every_caption_in_order(seed, power):
    decoder, features = decoder_of(words=2, seed=seed), images(3, seed)
    space = every_caption(2, 3)
    tokens, scores = written(decoder, features, beam_width=20, length_power=power, max_words=3)
    for feature, hypotheses, given in zip(features, tokens, scores, strict=True):
        ranks = {
            tuple(ids): total / len(ids) ** power
            for ids, total in zip(space, totals(decoder, feature, space), strict=True)
        }
        actual = [tuple(words_of(row)) for row in hypotheses[: len(space)]]
        assert set(actual) == set(ranks)
        assert actual[0] == max(ranks, key=lambda ids: ranks[ids])
        in_order = [ranks[ids] for ids in actual]
        assert in_order == sorted(in_order, reverse=True)
        np.testing.assert_allclose(
            given[: len(space)], [ranks[ids] * len(ids) ** (power - 1) for ids in actual], atol=1e-5
        )
        assert (hypotheses[len(space) :] == PADDING).all()


@pytest.mark.parametrize("seed", range(4))
def test_no_beam_beats_one_as_wide_as_the_space(seed):
    decoder, features = decoder_of(words=2, seed=seed), images(3, seed)
    best = {}
    for width in (1, 2, 3, 20):
        tokens, scores = written(decoder, features, beam_width=width, length_power=0.0, max_words=3)
        lengths = (tokens[:, 0] != PADDING).sum(axis=1)
        best[width] = scores[:, 0] * lengths
    for width in (1, 2, 3):
        assert (best[20] >= best[width] - 1e-5).all()


def test_a_beam_s_hypotheses_differ(decoder):
    tokens, _ = written(decoder, images(6), method="beam", beam_width=6, max_words=6)
    for hypotheses in tokens:
        assert len({tuple(row) for row in hypotheses}) == 6


def test_length_power_favours_longer_captions(decoder):
    features = images(30)
    lengths = [
        (written(decoder, features, beam_width=6, length_power=power, max_words=8)[0][:, 0] != PADDING).sum()
        for power in (0.0, 2.0)
    ]
    assert lengths[0] < lengths[1]


@pytest.mark.parametrize("settings", METHODS, ids=NAMES)
def test_a_caption_does_not_depend_on_its_neighbours(decoder, settings):
    features, others = images(8), images(8, seed=7) * 3
    others[3] = features[3]
    generator = generator_of(decoder, DecodingSettings(max_words=8, **settings))
    tokens, scores = generator.predict_on_batch(features)
    others_tokens, others_scores = generator.predict_on_batch(others)
    np.testing.assert_array_equal(tokens[3], others_tokens[3])
    np.testing.assert_array_equal(scores[3], others_scores[3])
    assert (tokens != others_tokens).any()


@pytest.mark.parametrize("settings", METHODS, ids=NAMES)
def test_one_graph_writes_what_step_by_step_writes(decoder, settings):
    features = images(5)
    tokens, scores = written(decoder, features, max_words=7, **settings)
    graph = generator_of(decoder, DecodingSettings(max_words=7, **settings)).predict_on_batch(features)
    np.testing.assert_array_equal(graph.tokens, tokens)
    np.testing.assert_allclose(graph.scores, scores, atol=1e-5)


def test_sampling_is_seeded(decoder):
    features = images(10)
    first, again, other = (
        written(decoder, features, method="sample", seed=seed, temperature=2.0, max_words=8)[0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("settings", [{"top_k": 1, "temperature": 5.0}, {"top_k": 9, "temperature": 1e-3}])
def test_sampling_without_a_choice_is_greedy(decoder, settings):
    features = images(10)
    greedy = written(decoder, features, method="greedy", max_words=8)
    sampled = written(decoder, features, method="sample", max_words=8, **settings)
    np.testing.assert_array_equal(greedy[0], sampled[0])
    np.testing.assert_allclose(greedy[1], sampled[1], atol=1e-6)


def test_only_the_likeliest_words_are_sampled(decoder):
    features = images(10)
    ranks = set()
    for seed in range(3):
        tokens, _ = written(decoder, features, method="sample", top_k=2, temperature=10.0, seed=seed, max_words=6)
        for feature, row in zip(features, tokens[:, 0], strict=True):
            ids = words_of(row)
            likely = log_probabilities(decoder, feature, [ids])[0]
            likely[:, : START + 1] = -np.inf
            likely[0, END] = -np.inf
            order = (-likely).argsort(axis=1)
            ranks |= {int(np.flatnonzero(order[place] == ids[place])[0]) for place in range(min(len(ids), 6))}
    assert ranks == {0, 1}


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_words_are_sampled_as_often_as_the_temperature_asks(temperature):
    decoder = decoder_of(words=4)
    likely = np.array([0.0, -0.5, -1.0, -1.5])  # of the words, at every place
    decoder.write.kernel.assign(decoder.write.kernel * 0.0)
    decoder.write.bias.assign([0.0, 0.0, 0.0, -50.0, *likely])
    settings = DecodingSettings(method="sample", top_k=3, temperature=temperature, max_words=200)
    tokens, _ = generator_of(decoder, settings).predict_on_batch(images(1))
    actual = np.bincount(tokens[0, 0, :200], minlength=8)[len(SPECIAL) :] / 200
    weights = np.exp(likely / temperature) * [1, 1, 1, 0]
    np.testing.assert_allclose(actual, weights / weights.sum(), atol=0.1)
    assert actual[3] == 0
