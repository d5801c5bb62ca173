"""calibrate: learn from the validation split how far to trust a caption.

The estimate is fitted to what captions of validation images score, as the images are and blank,
blurred and covered, so that it also knows images that show nothing. Noise and darkness are left out
of it, so that the robustness table shows what becomes of damage it never saw.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from pipeline.evaluation.confidence_fit import FOLDS, fit_estimate, held_out
from pipeline.evaluation.inference import BATCH, Teller, Told, cider_d_of, sample, tell_clean, tell_degraded
from pipeline.evaluation.risk_coverage import risk_coverage
from pipeline.model.bundle import CONFIDENCE
from pipeline.model.confidence import EVIDENCE, Confidence, Gists
from pipeline.storage.files import write_json
from pipeline.storage.stage_outputs import Output
from pipeline.training.features import FeatureStore
from pipeline.training.run import TrainingRun

VERSION: Final = 2
CLEAN: Final = "clean"
BLANK: Final = "blank"
FITTED_KINDS: Final = (BLANK, "blur", "heavy_blur", "covered_25", "covered_50")
DIRECTIONS: Final = 32
GIST_IMAGES: Final = 3000
PENALTY: Final = 0.03
WITHHELD_SHARE: Final = 0.1


def calibrate(run: TrainingRun) -> Output:
    """Write `confidence.json`, and how well it does on validation images it was not fitted to."""

    def build(folder: Path) -> None:
        gists = training_gists(run)
        table = _table(run, Teller(run, gists))
        inputs, folds = np.stack(list(table["evidence"])), table["fold"].to_numpy()
        scores, weights = table["cider_d"].to_numpy(), table["weight"].to_numpy()
        table["held_out"] = held_out(inputs, scores, weights, PENALTY, folds)
        clean = table[table["kind"] == CLEAN]
        threshold = float(clean["held_out"].quantile(WITHHELD_SHARE))
        estimate = fit_estimate(inputs, scores, weights, PENALTY)
        Confidence(gists, estimate, threshold).write(folder / CONFIDENCE)
        named = dict(zip(EVIDENCE, estimate.weights.tolist(), strict=True))
        write_json(folder / "figures.json", _figures(table, threshold) | {"weights": named})

    recipe = run.settings.model_dump(mode="json", include={"decoding": True, "evaluation": {"images"}})
    return run.store.run("calibrate", VERSION, recipe, run.inputs("validate", "encoder", "refine"), build)


def training_gists(run: TrainingRun) -> Gists:
    """What images of the training split are like."""
    images = run.accepted.images_of("train").drop_duplicates("sha256").sort_values("sha256").head(GIST_IMAGES)
    features, shas = FeatureStore.of(run), list(images["sha256"])
    parts = [features.gather(shas[at : at + BATCH]).mean(axis=1, dtype=float) for at in range(0, len(shas), BATCH)]
    return Gists.of(np.concatenate(parts), DIRECTIONS)


def _table(run: TrainingRun, teller: Teller) -> pd.DataFrame:
    """A row for each validation image and way to degrade it: kind, evidence, cider_d, weight, fold."""
    images, some = run.accepted.images_of("val"), sample(run, "val")
    told = [(CLEAN, images, tell_clean(run, teller, images))]
    told += [(kind, some, found) for kind, found in tell_degraded(run, teller, some, FITTED_KINDS).items()]
    references = run.accepted.references("val")
    return pd.concat([_rows(references, *item) for item in told], ignore_index=True)


def _rows(references: dict[str, list[str]], kind: str, images: pd.DataFrame, told: Told) -> pd.DataFrame:
    scores = cider_d_of(references, list(images["image"]), told.captions)
    rows = {
        "kind": kind,
        "evidence": list(told.evidence),
        "cider_d": 0.0 if kind == BLANK else scores,  # nothing that is said of nothing is true
        "weight": (len(FITTED_KINDS) if kind == CLEAN else 1) / len(images),  # as much as all others together
        "fold": images["sha256"].map(lambda sha: int(sha[:8], 16) % FOLDS).to_numpy(),
    }
    return pd.DataFrame(rows)


def _figures(table: pd.DataFrame, threshold: float) -> dict[str, Any]:
    clean = table[table["kind"] == CLEAN]
    withheld = (table["held_out"] < threshold).groupby(table["kind"]).mean()
    return {
        "withhold_below": threshold,
        "withheld": withheld.to_dict(),
        "risk_coverage": risk_coverage(list(clean["held_out"]), list(clean["cider_d"])),
    }
