"""calibrate: learn from the validation split how far to trust a caption.

The order of captions is fitted to what those of validation images score, as the images are and blank, blurred and
covered, so that images that show nothing come last. Noise and darkness are left out of it, so that the robustness table
shows what becomes of damage it never saw. The number is then calibrated on the images as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from pipeline.evaluation import inference
from pipeline.evaluation.confidence_fit import FOLDS, Calibration, fit_estimate, held_out_estimates
from pipeline.evaluation.inference import INFERENCE_BATCH, Predictions, Predictor
from pipeline.evaluation.reliability import reliability
from pipeline.evaluation.risk_coverage import risk_coverage
from pipeline.model.bundle import CONFIDENCE
from pipeline.model.confidence import EVIDENCE, Confidence, PooledEmbeddings
from pipeline.storage.files import write_json
from pipeline.storage.stage_outputs import StageOutput
from pipeline.training.features import FeatureStore
from pipeline.training.run import TrainingRun

_VERSION: Final = 3
CLEAN: Final = "clean"
_BLANK_KIND: Final = "blank"
FITTED_KINDS: Final = (_BLANK_KIND, "blur", "heavy_blur", "covered_25", "covered_50")
DIRECTIONS: Final = 32
EMBEDDED_IMAGES: Final = 3000
PENALTY: Final = 0.03
WITHHELD_SHARE: Final = 0.1


def calibrate(run: TrainingRun) -> StageOutput:
    """Write `confidence.json`, and how well it does on validation images it was not fitted to."""

    def build(folder: Path) -> None:
        pooled_embeddings = training_embeddings(run)
        table = _table(run, Predictor(run, pooled_embeddings))
        inputs, folds = np.stack(list(table["evidence"])), table["fold"].to_numpy()
        scores, weights = table["cider_d"].to_numpy(), table["weight"].to_numpy()
        order, is_clean = (
            held_out_estimates(inputs, scores, weights, PENALTY, folds),
            (table["kind"] == CLEAN).to_numpy(),
        )
        calibration = Calibration.of(order[is_clean], scores[is_clean], PENALTY)
        table["held_out_estimates"] = calibration(order)
        clean = table[is_clean]
        threshold = float(clean["held_out_estimates"].quantile(WITHHELD_SHARE))
        estimate = calibration.applied_to(fit_estimate(inputs, scores, weights, PENALTY))
        Confidence(pooled_embeddings, estimate, threshold).write(folder / CONFIDENCE)
        figures = {
            "withhold_below": threshold,
            "withheld": (table["held_out_estimates"] < threshold).groupby(table["kind"]).mean().to_dict(),
            "risk_coverage": risk_coverage(list(clean["held_out_estimates"]), list(clean["cider_d"])),
            "reliability": reliability(list(clean["held_out_estimates"]), list(clean["cider_d"])),
            "weights": dict(zip(EVIDENCE, estimate.weights.tolist(), strict=True)),
        }
        write_json(folder / "figures.json", figures)

    recipe = run.settings.model_dump(mode="json", include={"decoding": True, "evaluation": {"images"}})
    return run.store.run("calibrate", _VERSION, recipe, run.inputs("validate", "encoder", "refine"), build)


def training_embeddings(run: TrainingRun) -> PooledEmbeddings:
    """What images of the training split are like."""
    images = run.accepted.images_of("train").drop_duplicates("sha256").sort_values("sha256").head(EMBEDDED_IMAGES)
    batches = FeatureStore.of(run).batches(list(images["sha256"]), INFERENCE_BATCH)
    return PooledEmbeddings.of(np.concatenate([batch.mean(axis=1, dtype=float) for batch in batches]), DIRECTIONS)


def _table(run: TrainingRun, predictor: Predictor) -> pd.DataFrame:
    """A row for each validation image and way to degrade it: kind, evidence, cider_d, weight, fold."""
    images, some = inference.unpicked(run, "val"), inference.sample(run, "val")
    predictions = [(CLEAN, images, inference.predict_clean(run, predictor, images))]
    degraded = inference.predict_degraded(run, predictor, some, FITTED_KINDS)
    predictions += [(kind, some, captions) for kind, captions in degraded.items()]
    references = run.accepted.references("val")
    return pd.concat([_rows(references, *item) for item in predictions], ignore_index=True)


def _rows(references: dict[str, list[str]], kind: str, images: pd.DataFrame, predictions: Predictions) -> pd.DataFrame:
    scores = inference.cider_d_of(references, list(images["image"]), predictions.captions)
    rows = {
        "kind": kind,
        "evidence": list(predictions.evidence),
        "cider_d": 0.0 if kind == _BLANK_KIND else scores,  # no caption of a blank image is true
        "weight": (len(FITTED_KINDS) if kind == CLEAN else 1) / len(images),  # as much as all others together
        "fold": images["sha256"].map(lambda sha: int(sha[:8], 16) % FOLDS).to_numpy(),
    }
    return pd.DataFrame(rows)
