"""`make bench`: what two of our choices gain, each a ratio against a baseline measured in the same run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from statistics import median

import keras
import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from pipeline.metrics.scores import score_captions
from pipeline.model.decoder import Decoder
from pipeline.model.encoder import architecture, build_encoder
from pipeline.settings import DecoderSettings, TrainingSettings
from pipeline.training.examples import Batch
from pipeline.training.step import Fitter

ROUNDS = 5
BATCH = 32
WORDS = 5000
IMAGES = 1000


def main() -> None:
    """Print one line a comparison."""
    print(f"{os.cpu_count()} cores, medians of {ROUNDS} rounds")
    _compare("training step, features kept / encoder run in every step", *_training_steps())
    _compare("scores of 1,000 captions, ours / pycocoevalcap", *_scorers())


def _compare(what: str, ours: Callable[[], object], baseline: Callable[[], object]) -> None:
    """Time both in turns, so that a noisy machine troubles both alike."""
    for warm in (ours, baseline):
        warm()
    times = [(_seconds(ours), _seconds(baseline)) for _ in range(ROUNDS)]
    mine, theirs = (median(column) for column in zip(*times, strict=True))
    ratio = median(baseline_s / ours_s for ours_s, baseline_s in times)
    print(f"{what}: {mine:.3f} s / {theirs:.3f} s, {ratio:.1f} times as fast")


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _training_steps() -> tuple[Callable[[], object], Callable[[], object]]:
    """One step on features that lie ready, and one that first runs MobileNet on the pictures."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    facts = architecture("mobilenet")
    encoder = build_encoder("mobilenet", None)
    decoder = Decoder(DecoderSettings(), WORDS, facts.positions, facts.channels)
    decoder.build()
    fitter = Fitter(decoder, TrainingSettings(), steps=1000)
    pictures = random.integers(0, 256, (BATCH, facts.side, facts.side, 3), dtype=np.uint8)
    tokens = random.integers(4, WORDS, (BATCH, 13), dtype=np.int32)
    each = np.arange(BATCH, dtype=np.int32)  # one caption a picture
    kept = np.asarray(encoder.predict_on_batch(pictures)).astype(np.float16)
    return (
        lambda: fitter.fit(Batch(kept, each, tokens)),
        lambda: fitter.fit(Batch(np.asarray(encoder.predict_on_batch(pictures)).astype(np.float16), each, tokens)),
    )


def _scorers() -> tuple[Callable[[], object], Callable[[], object]]:
    """Our BLEU, ROUGE-L and CIDEr-D from raw text, and theirs from the same text already tokenised."""
    random = np.random.default_rng(0)
    vocabulary = np.array([f"w{index}" for index in range(800)])

    def sentence() -> str:
        return " ".join(random.choice(vocabulary, 11))

    references = {str(image): [sentence() for _ in range(5)] for image in range(IMAGES)}
    captions = {image: sentence() for image in references}
    listed = {image: [caption] for image, caption in captions.items()}

    def theirs() -> None:
        for scorer, options in ((Bleu(4), {"verbose": 0}), (Rouge(), {}), (Cider(), {})):
            scorer.compute_score(references, listed, **options)

    return lambda: score_captions(references, captions, meteor=False), theirs


if __name__ == "__main__":
    main()
