"""A decoder with random weights and few words, and what it writes, for tests of decoding."""

import numpy as np

from pipeline.core.settings import DecoderSettings, DecodingSettings
from pipeline.model.vocabulary import END, SPECIAL, START

WORDS, POSITIONS, CHANNELS = 9, 4, 6
METHODS = ({"method": "greedy"}, {"method": "beam", "beam_width": 4}, {"method": "sample", "top_k": 5})
NAMES = [settings["method"] for settings in METHODS]


def decoder_of(words=WORDS, seed=3, **settings):
    """A decoder with random weights that prefers some words clearly."""
    import keras

    from pipeline.model.network.decoder import Decoder

    keras.utils.set_random_seed(seed)
    chosen = DecoderSettings(embedding=8, units=8, **settings)
    decoder = Decoder(chosen, words + len(SPECIAL), POSITIONS, CHANNELS)
    decoder.build()
    decoder.write.kernel.assign(decoder.write.kernel * 3.0)
    decoder.write.bias.assign(np.eye(words + len(SPECIAL))[END])  # so that captions differ in length
    return decoder


def images(count, seed=1):
    return np.random.default_rng(seed).normal(size=(count, POSITIONS, CHANNELS)).astype("float32")


def generator_of(decoder, settings):
    from pipeline.model.network.generation import Generator

    return Generator(decoder, settings, decoder.write.units)


def written(decoder, features, **settings):
    tokens, scores = generator_of(decoder, DecodingSettings(**settings))(features)
    return np.asarray(tokens), np.asarray(scores)


def words_of(row):
    """The written tokens of one hypothesis, `<end>` included."""
    return [int(token) for token in row[: np.argmax(row == END) + 1]]


def log_probabilities(decoder, feature, captions):
    """By teacher forcing: log-probability of every token [captions, longest, vocabulary] at each place."""
    padded = np.zeros((len(captions), max(map(len, captions))), "int32")
    for row, ids in zip(padded, captions, strict=True):
        row[: len(ids)] = ids
    inputs = np.pad(padded, [(0, 0), (1, 0)], constant_values=START)[:, :-1]
    logits = np.asarray(decoder(np.repeat(feature[None], len(captions), axis=0), inputs)).astype("float64")
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def totals(decoder, feature, captions):
    """Log-probability of each caption, `<end>` included."""
    likely = log_probabilities(decoder, feature, captions)
    return [rows[range(len(ids)), ids].sum() for rows, ids in zip(likely, captions, strict=True)]
