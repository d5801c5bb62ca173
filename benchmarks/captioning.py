"""Captioning from JPEG to JSON lines: the design Nightcap started from, its layers as Keras runs them, and both engines.

    taskset -c 0 python -m benchmarks.captioning [--encoder resnet50 --side 320] [--images 16] [--rounds 5]

Weights are random, as speed does not depend on them; captions have 11 words, as people's have. Seconds are the
process's own CPU time, since other work on the machine slows a clock; of one thread both are the same.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from pipeline.core.processor import ONEDNN, processor_flags
from pipeline.core.settings import DecodingSettings, train_settings
from pipeline.imaging.decode import ImageLimits, pixels
from pipeline.model import bundle as form
from pipeline.model.captioner import CAPTION_BATCH, BundleCaptioner
from pipeline.model.confidence import EVIDENCE, Confidence, Estimate, PooledEmbeddings
from pipeline.model.interface import PinnedModel
from pipeline.model.network.decoder import Decoder
from pipeline.model.network.encoder import build_encoder
from pipeline.model.padded_batches import predict_padded
from pipeline.model.vocabulary import START, Vocabulary
from pipeline.model.vocabulary_binding import bind
from pipeline.storage.files import read_json, write_json, write_text
from pipeline.training.quantise import quantise

WORDS = 5000  # in the shipped vocabulary of Flickr8k, rounded
CAPTION_WORDS = 11
FEW = 1  # images a round that the starting design captions, which takes them one by one


def main() -> None:
    """Print a line a way of captioning, with its ratio to the first."""
    arguments = _arguments()
    print(f"{os.cpu_count()} cores, {' '.join(processor_flags())}, {ONEDNN}={os.environ.get(ONEDNN)}")
    print(f"{arguments.encoder}, side {arguments.side or 'its own'}, beam 3, medians of {arguments.rounds} rounds")
    photographs = [_photograph(number) for number in range(arguments.images)]
    with tempfile.TemporaryDirectory() as scratch:
        captioner = _captioner(Path(scratch), arguments.encoder, arguments.side)
        int8 = _in_8_bits(captioner, Path(scratch), photographs)
        ways: dict[str, tuple[Callable[[Sequence[bytes]], list[str]], int]] = {
            "starting design, InceptionResNetV2, one image and one word a call": (_starting_design(), FEW),
            "ours, layers as Keras runs them": (lambda data: _as_layers(captioner, data), arguments.images),
            "ours, as shipped": (lambda data: _as_shipped(captioner, data), arguments.images),
            "ours, encoder.engine=int8": (lambda data: _as_shipped(int8, data), arguments.images),
        }
        for way, count in ways.values():
            assert len(way(photographs[:count])) == count  # the first round compiles
        rates = {name: [] for name in ways}  # type: dict[str, list[float]]
        for _ in range(arguments.rounds):
            for name, (way, count) in ways.items():
                rates[name].append(count / _seconds(lambda way=way, count=count: way(photographs[:count])))
    first = median(next(iter(rates.values())))
    for name, each in rates.items():
        print(f"{median(each):7.2f} images a CPU-second, {median(each) / first:5.1f}x: {name}")


def _seconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def _photograph(number: int) -> bytes:
    """A JPEG of 500 x 375 pixels, as in Flickr8k, with detail at every scale."""
    random, buffer = np.random.default_rng(number), io.BytesIO()
    layers = [random.integers(0, 256, (375 // size + 1, 500 // size + 1, 3), np.uint8) for size in (125, 25, 5)]
    grown = [np.asarray(Image.fromarray(layer).resize((500, 375), Image.Resampling.BICUBIC), float) for layer in layers]
    Image.fromarray(np.mean(grown, axis=0).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _starting_design() -> Callable[[Sequence[bytes]], list[str]]:
    """The tutorial of 2022: frozen network, GRU, attention; words drawn from the ten likeliest, one call each."""
    encoder = keras.applications.InceptionResNetV2(include_top=False, weights=None, input_shape=(299, 299, 3))
    grid_in, word_in, state_in = keras.Input((64, 512)), keras.Input((1,), dtype="int32"), keras.Input((512,))
    grid_layer = keras.Sequential(
        [keras.Input((8, 8, 1536)), keras.layers.Reshape((64, 1536)), keras.layers.Dense(512, "relu")]
    )
    embedded = keras.layers.Embedding(20_000, 512)(word_in)
    sequence, state = keras.layers.GRU(512, return_sequences=True, return_state=True)(embedded, initial_state=state_in)
    attended = keras.layers.Attention()([sequence, grid_in])
    hidden = keras.layers.LayerNormalization(axis=-1)(keras.layers.Add()([attended, sequence]))
    decoder = keras.Model([word_in, grid_in, state_in], [keras.layers.Dense(20_000)(hidden), state])
    random = np.random.default_rng(0)

    def caption(data: bytes) -> str:
        image = tf.image.resize(tf.io.decode_jpeg(data, channels=3), (299, 299)) / 255.0
        grid = grid_layer(encoder(image[None]))
        word, state, words = tf.constant([[START]]), tf.zeros((1, 512)), []
        for _ in range(CAPTION_WORDS + 1):
            logits, state = decoder([word, grid, state])
            likely, ids = tf.math.top_k(logits[0, 0], 10)
            noisy = likely.numpy() + random.gumbel(size=10)  # the same as to draw by their probabilities
            word = ids[None, None, noisy.argmax()]
            words.append(int(word[0, 0]))
        return json.dumps({"caption": " ".join(map(str, words))})

    return lambda photographs: [caption(data) for data in photographs]


def _as_shipped(captioner: BundleCaptioner, photographs: Sequence[bytes]) -> list[str]:
    return [
        json.dumps({"caption": item.text, "score": item.score})
        for item in captioner.caption(_seen(captioner, photographs))
    ]


def _as_layers(captioner: BundleCaptioner, photographs: Sequence[bytes]) -> list[str]:
    """What was shipped before graphs were frozen: encoder, generator and scorer, each by `predict_on_batch`."""
    networks, seen, lines = captioner.networks, _seen(captioner, photographs), []
    for start in range(0, len(seen), CAPTION_BATCH):
        features = predict_padded(networks.encoder, CAPTION_BATCH, seen[start : start + CAPTION_BATCH])
        tokens, scores = predict_padded(captioner._generator, CAPTION_BATCH, features)
        predict_padded(captioner._scorer, CAPTION_BATCH, features, tokens[:, 0])
        texts = [networks.vocabulary.decode(row[0].tolist()) for row in tokens]
        lines += [
            json.dumps({"caption": text, "score": float(score[0])}) for text, score in zip(texts, scores, strict=True)
        ]
    return lines


def _seen(captioner: BundleCaptioner, photographs: Sequence[bytes]) -> Any:
    return np.stack([pixels(data, captioner.side, captioner.fit, ImageLimits()) for data in photographs])


def _captioner(folder: Path, name: str, side: int | None) -> BundleCaptioner:
    """A bundle with random weights, the decoder that the preset `flickr8k` trains, loaded."""
    keras.utils.set_random_seed(0)
    encoder = build_encoder(name, None, side)
    facts, words = encoder.facts, Vocabulary.of(f"w{index}" for index in range(WORDS - 4))
    settings = form.BundleSettings(
        encoder=name,
        positions=facts.positions,
        channels=facts.channels,
        pixels=form.PixelSettings(side=facts.side, fit="squash", interpolation="bicubic"),
        decoder=train_settings({"preset": "flickr8k"}).decoder,
        decoding=DecodingSettings(min_words=CAPTION_WORDS, max_words=CAPTION_WORDS),
    )
    decoder = Decoder(settings.decoder, len(words), facts.positions, facts.channels)
    decoder.build()
    encoder.backbone.save_weights(folder / form.ENCODER)
    decoder.save_weights(folder / form.DECODER)
    words.write(folder / form.VOCABULARY)
    bind(folder / form.DECODER, folder / form.VOCABULARY)
    form.write_settings(folder, settings)
    inputs = len(EVIDENCE)
    estimate = Estimate(np.zeros(inputs), np.ones(inputs), np.zeros(inputs), 0.0)
    embeddings = PooledEmbeddings(np.zeros(facts.channels), np.eye(32, facts.channels), np.ones(32))
    Confidence(embeddings, estimate, 0.0).write(folder / form.CONFIDENCE)
    for file in (form.REFERENCE, f"{form.GOLDEN}/captions.json"):
        write_json(folder / file, {})
    write_text(folder / form.CARD, "# Random weights\n")
    return _sealed(folder)


def _in_8_bits(captioner: BundleCaptioner, folder: Path, photographs: Sequence[bytes]) -> BundleCaptioner:
    """The same bundle with the other engine; `captioner` was loaded from it."""
    quantise(captioner.networks.encoder, _seen(captioner, photographs), folder)
    settings = read_json(folder / form.SETTINGS)
    write_json(folder / form.SETTINGS, settings | {"engine": form.INT8_ENGINE})
    return _sealed(folder)


def _sealed(folder: Path) -> BundleCaptioner:
    form.seal(folder)
    read = form.read_bundle(folder)
    return BundleCaptioner(read, PinnedModel("", "", read.digest, read.settings.engine, ""))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="inception_resnet_v2")
    parser.add_argument("--side", type=int, help="pixels; without it the encoder's own")
    parser.add_argument("--images", type=int, default=CAPTION_BATCH)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
