"""What 8 bits cost a version: CIDEr-D of its captions of validation images, beside the same encoder in floats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.core.errors import SettingsError
from pipeline.evaluation.inference import (
    INFERENCE_BATCH,
    Predictor,
    cider_d_of,
    load_confidence,
    predict_seen,
    sample,
)
from pipeline.metrics.bootstrap import bounds
from pipeline.model.network.encoder import Encoder
from pipeline.model.network.frozen import FrozenEncoder
from pipeline.training.encoder_stage import load_frozen_encoder
from pipeline.training.run import TrainingRun


def require_tolerable(cost: Mapping[str, Any], tolerance: float) -> None:
    """SettingsError where a cost, as `int8_cost` gives it, is above `encoder.int8_tolerance`, and not by chance."""
    if cost["lost_at_least"] > tolerance:
        raise SettingsError(
            f"encoder.engine=int8 loses {cost['lost']:.4f} CIDEr-D on {cost['images']} validation images "
            f"({cost['int8']:.4f}, in floats {cost['float']:.4f}), at least {cost['lost_at_least']:.4f} but for chance, more than encoder.int8_tolerance={tolerance}; "
            "keep convolutions in floats (encoder.float_layers), take encoder.engine=tensorflow, or allow more"
        )


def int8_cost(run: TrainingRun, network: Encoder) -> dict[str, Any]:
    """Mean CIDEr-D, 0..10, of the version's captions with either encoder, and what 8 bits lose; `network` is in floats.

    Returns:
        `float`, `int8`; `lost`, their difference; `lost_at_least`, its lower bound at 95% over resampled images; `images`.
    """
    images = sample(run, "val")
    encoders = {
        "float": FrozenEncoder(network, INFERENCE_BATCH),
        "int8": load_frozen_encoder(run.output("encoder"), INFERENCE_BATCH),
    }
    predictor = Predictor(run, load_confidence(run).pooled_embeddings)
    ways = {name: (encoder, lambda pixels, sha: pixels) for name, encoder in encoders.items()}
    references, names = run.accepted.references("val"), list(images["image"])
    scores = {
        name: cider_d_of(references, names, seen.captions)
        for name, seen in predict_seen(run, predictor, images, ways).items()
    }
    lost = bounds(scores["float"] - scores["int8"])
    means = {name: float(each.mean()) for name, each in scores.items()}
    return means | {"lost": lost.mean, "lost_at_least": lost.lower, "images": len(names)}
