"""Captioning from JPEG to JSON lines: the design Nightcap started from, its layers as Keras runs them, and both engines.

    taskset -c 0 python -m benchmarks.captioning [--encoder resnet50 --side 320] [--images 16] [--rounds 5]
                                                 [--transformers other/bin/python]

With `--transformers`, also BLIP-base and ViT-GPT2, by a Python that has them (`benchmarks/transformers_captioning.py`).

Weights are random, as speed does not depend on them; captions have 11 words, as people's have. Seconds are the
process's own CPU time, since other work on the machine slows a clock; of one thread both are the same.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np
from PIL import Image

from benchmarks.starting_design import starting_captions
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
from pipeline.model.vocabulary import Vocabulary
from pipeline.model.vocabulary_binding import bind
from pipeline.storage.files import read_json, write_json, write_text
from pipeline.training.quantise import quantise

WORDS = 5000  # in the shipped vocabulary of Flickr8k, rounded
CAPTION_WORDS = 11
OTHERS = Path(__file__).with_name("transformers_captioning.py")
FEW_OTHERS = 4  # images a batch of other captioners, which take seconds for each
FEW = 1  # images a round that the starting design captions, which takes them one by one

Way = Callable[[Sequence[bytes]], float]  # captions JPEG files, and gives the processor's seconds


def main() -> None:
    """Print a line a way of captioning, with its ratio to the first."""
    arguments = _arguments()
    print(f"{os.cpu_count()} cores, {' '.join(processor_flags())}, {ONEDNN}={os.environ.get(ONEDNN)}")
    print(f"{arguments.encoder}, side {arguments.side or 'its own'}, beam 3, medians of {arguments.rounds} rounds")
    photographs = [_photograph(number) for number in range(arguments.images)]
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        captioner = _captioner(Path(scratch), arguments.encoder, arguments.side)
        int8 = _in_8_bits(captioner, Path(scratch), photographs)
        ways: dict[str, tuple[Way, int]] = {
            "starting design, InceptionResNetV2, one image and one word a call": (
                _timed(starting_captions(CAPTION_WORDS)),
                FEW,
            ),
            "ours, layers as Keras runs them": (_timed(lambda data: _as_layers(captioner, data)), arguments.images),
            "ours, as shipped": (_timed(lambda data: _as_shipped(captioner, data)), arguments.images),
            "ours, encoder.engine=int8": (_timed(lambda data: _as_shipped(int8, data)), arguments.images),
        }
        if arguments.transformers:
            ways |= stack.enter_context(_others(arguments.transformers, Path(scratch)))
        for way, count in ways.values():
            way(photographs[:count])  # the first round compiles
        rates = {name: [] for name in ways}  # type: dict[str, list[float]]
        for _ in range(arguments.rounds):
            for name, (way, count) in ways.items():
                rates[name].append(count / way(photographs[:count]))
    first = median(next(iter(rates.values())))
    for name, each in rates.items():
        print(f"{median(each):7.2f} images a CPU-second, {median(each) / first:5.1f}x: {name}")


def _timed(caption: Callable[[Sequence[bytes]], list[str]]) -> Way:
    """How many seconds of this process it takes to caption."""

    def seconds(photographs: Sequence[bytes]) -> float:
        started = time.process_time()
        assert len(caption(photographs)) == len(photographs)
        return time.process_time() - started

    return seconds


@contextmanager
def _others(python: Path, folder: Path) -> Iterator[dict[str, tuple[Way, int]]]:
    """Other captioners, in a process of their own; they caption a batch of few images."""
    command = [python, OTHERS, f"--words={CAPTION_WORDS}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        names = {"greedy": 1, "beam 3": 3}
        yield {
            f"{model}, {name}, batched": (partial(_asked, process, folder, model, beams), FEW_OTHERS)
            for model in ("BLIP-base", "ViT-GPT2")
            for name, beams in names.items()
        }


def _asked(process: subprocess.Popen[str], folder: Path, model: str, beams: int, photographs: Sequence[bytes]) -> float:
    """The seconds that another process has taken to caption."""
    files = [folder / f"{number}.jpg" for number in range(len(photographs))]
    for file, data in zip(files, photographs, strict=True):
        file.write_bytes(data)
    assert process.stdin
    assert process.stdout
    print(json.dumps({"model": model, "beams": beams, "files": [*map(str, files)]}), file=process.stdin, flush=True)
    return float(process.stdout.readline())


def _photograph(number: int) -> bytes:
    """A JPEG of 500 x 375 pixels, as in Flickr8k, with detail at every scale."""
    random, buffer = np.random.default_rng(number), io.BytesIO()
    layers = [random.integers(0, 256, (375 // size + 1, 500 // size + 1, 3), np.uint8) for size in (125, 25, 5)]
    grown = [np.asarray(Image.fromarray(layer).resize((500, 375), Image.Resampling.BICUBIC), float) for layer in layers]
    Image.fromarray(np.mean(grown, axis=0).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


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
    parser.add_argument("--transformers", type=Path, help="a Python that has torch and transformers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
