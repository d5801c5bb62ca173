"""The content of `reference.json`: distributions of the model's captions and of validation images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipeline.evaluation.inference import Predictor, load_confidence, predict_clean, sample
from pipeline.model.bundle import ENGINES
from pipeline.model.confidence import EVIDENCE
from pipeline.model.reference_profile import DISTRIBUTIONS, IMAGE_STATISTICS, TOP_CAPTION, Distribution, word_count
from pipeline.training.run import TrainingRun

_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def reference_of(run: TrainingRun) -> dict[str, Any]:
    """Quantiles of the captions of test images, and distributions of the evidence on validation images."""
    rows = pd.read_parquet(run.output("evaluate").path / "per_image.parquet")
    words = rows["caption"].map(word_count)
    return {
        "images": len(rows),
        "score_quantiles": {str(q): float(rows["score"].quantile(q)) for q in _QUANTILES},
        "words_quantiles": {str(q): float(words.quantile(q)) for q in _QUANTILES},
        "health": run.scores()["health"],
        "engine": ENGINES[run.settings.encoder.engine],
        DISTRIBUTIONS: {name: item.to_json() for name, item in _distributions(run).items()},
    }


def _distributions(run: TrainingRun) -> dict[str, Distribution]:
    """Of validation images: the model was not fitted to them, and the confidence to their captions only."""
    confidence = load_confidence(run)
    predictions = predict_clean(run, Predictor(run, confidence.pooled_embeddings), sample(run, "val"))
    evidence = dict(zip(EVIDENCE, predictions.evidence.T, strict=True))  # float [n] each
    watched = {
        "words": np.array([word_count(caption) for caption in predictions.captions]),
        "score": evidence["score"],
        "confidence": confidence.estimate(predictions.evidence),
        **{name: evidence[name] for name in IMAGE_STATISTICS},
    }
    distributions = {name: Distribution.of(values) for name, values in watched.items()}
    return {**distributions, TOP_CAPTION: Distribution.of_top(predictions.captions)}
