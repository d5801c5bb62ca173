"""`make bench`: what two of our choices gain, each a ratio against a baseline of the same run, and what the reward costs."""

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

from pipeline.core.settings import DecoderSettings, TrainingSettings, train_settings
from pipeline.metrics.scores import score_captions
from pipeline.model.network.decoder import Decoder
from pipeline.model.network.encoder import architecture, build_encoder
from pipeline.model.vocabulary import END, START, Vocabulary
from pipeline.training.batches import Batch
from pipeline.training.reward import Reward
from pipeline.training.trainer import Trainer

ROUNDS = 5
BATCH = 32
WORDS = 5000
IMAGES = 1000


def main() -> None:
    """Print one line a comparison."""
    print(f"{os.cpu_count()} cores, medians of {ROUNDS} rounds")
    _compare("training step, features kept / encoder run in every step", *_training_steps())
    _compare("scores of 1,000 captions, ours / pycocoevalcap", *_scorers())
    print(f"the reward's share of a self-critical step: {_reward_share():.1%}")


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
    """One step on features that lie ready, and one that first runs MobileNet on the images."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    facts = architecture("mobilenet")
    encoder = build_encoder("mobilenet", None)
    decoder = Decoder(DecoderSettings(), WORDS, facts.positions, facts.channels)
    decoder.build()
    trainer = Trainer(decoder, TrainingSettings(), steps=1000)
    images = random.integers(0, 256, (BATCH, facts.side, facts.side, 3), dtype=np.uint8)
    tokens = random.integers(4, WORDS, (BATCH, 13), dtype=np.int32)
    each = np.arange(BATCH, dtype=np.int32)  # one caption an image
    kept = np.asarray(encoder.predict_on_batch(images)).astype(np.float16)
    return (
        lambda: trainer.train_step(Batch(kept, each, tokens)),
        lambda: trainer.train_step(
            Batch(np.asarray(encoder.predict_on_batch(images)).astype(np.float16), each, tokens)
        ),
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


def _reward_share() -> float:
    """Seconds of the reward by those of a whole step as `refine` takes it, on the decoder and batch of `flickr8k`."""
    settings = train_settings({"preset": "flickr8k"})
    chosen, longest = settings.self_critical, settings.training.max_words
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    words = Vocabulary.of(f"w{index}" for index in range(WORDS - 4))
    decoder = Decoder(settings.decoder, WORDS, positions=100, channels=2048)
    decoder.build()
    trainer = Trainer(decoder, settings.training, 1000, chosen.likelihood_weight)
    captions = np.pad(
        random.integers(4, 800, (5 * IMAGES, 13), dtype=np.int32), [(0, 0), (1, 1)], constant_values=START
    )
    captions[:, -1] = END
    reward = Reward.of(words, list(captions.reshape(IMAGES, 5, -1)), chosen.bleu_weight)  # [images, captions, places]
    features = random.random((chosen.batch_size, 100, 2048)).astype(np.float16)
    owners = np.repeat(np.arange(chosen.batch_size, dtype=np.int32), 5)
    batch = Batch(features, owners, captions[: len(owners)])
    images = np.repeat(np.arange(chosen.batch_size, dtype=np.int32), chosen.samples)
    drawn = random.permutation(captions)[: len(images)]  # as long as people's, which a fresh decoder's are not
    gains, shares = np.ones(len(images), np.float32), []
    for _ in range(ROUNDS + 1):
        drawing = _seconds(lambda: trainer.sample(features, chosen.samples, longest))
        rewarding = _seconds(lambda: reward(batch, drawn, images))
        learning = _seconds(lambda: trainer.reinforce(batch, Batch(features, images, drawn), gains))
        shares.append(rewarding / (drawing + rewarding + learning))
    return median(shares[1:])  # the first compiles


if __name__ == "__main__":
    main()
