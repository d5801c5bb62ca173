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
from pipeline.model.network.frozen import FrozenEncoder
from pipeline.training.encoder_stage import load_encoder, load_frozen_encoder
from pipeline.training.run import TrainingRun


def require_tolerable(cost: Mapping[str, Any], tolerance: float) -> None:
    """SettingsError where a cost, as `int8_cost` gives it, is above `encoder.int8_tolerance`."""
    if cost["lost"] > tolerance:
        raise SettingsError(
            f"encoder.engine=int8 loses {cost['lost']:.4f} CIDEr-D on {cost['images']} validation images "
            f"({cost['int8']:.4f}, in floats {cost['float']:.4f}), more than encoder.int8_tolerance={tolerance}; "
            "keep convolutions in floats (encoder.float_layers), take encoder.engine=tensorflow, or allow more"
        )


def int8_cost(run: TrainingRun) -> dict[str, Any]:
    """Mean CIDEr-D, 0..10, of the version's captions with either encoder, `lost` by 8 bits, and the number of images."""
    output, images = run.output("encoder"), sample(run, "val")
    encoders = {
        "float": FrozenEncoder(load_encoder(output), INFERENCE_BATCH),
        "int8": load_frozen_encoder(output, INFERENCE_BATCH),
    }
    predictor = Predictor(run, load_confidence(run).pooled_embeddings)
    ways = {name: (encoder, lambda pixels, sha: pixels) for name, encoder in encoders.items()}
    references, names = run.accepted.references("val"), list(images["image"])
    means = {
        name: float(cider_d_of(references, names, seen.captions).mean())
        for name, seen in predict_seen(run, predictor, images, ways).items()
    }
    return means | {"lost": means["float"] - means["int8"], "images": len(names)}
