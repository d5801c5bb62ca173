"""What becomes of captions when the images are damaged, and how many of them the model withholds."""

from __future__ import annotations

from typing import Any

from pipeline.evaluation import inference
from pipeline.evaluation.corruptions import KINDS
from pipeline.training.run import TrainingRun


def robustness(run: TrainingRun) -> dict[str, Any]:
    """Score the captions of some test images, as they are (`clean`) and after each kind of damage.

    Returns `images`, their number; `withhold_below`; and for each kind in `kinds` the mean `cider_d` in [0, 10], None
    for blank images, and `withheld`, the share of captions below the threshold.
    """
    confidence = inference.load_confidence(run)
    predictor = inference.Predictor(run, confidence.pooled_embeddings)
    images = inference.sample(run, "test")
    predictions = {"clean": inference.predict_clean(run, predictor, images)}
    predictions |= inference.predict_degraded(run, predictor, images, list(KINDS))
    references, names = run.accepted.references("test"), list(images["image"])
    rows = {}
    for kind, predicted in predictions.items():
        withheld = confidence.estimate(predicted.evidence) < confidence.withhold_below
        scores = None if kind == "blank" else inference.cider_d_of(references, names, predicted.captions)
        cider_d = None if scores is None else float(scores.mean())
        rows[kind] = {"cider_d": cider_d, "withheld": float(withheld.mean())}
    return {"images": len(images), "withhold_below": confidence.withhold_below, "kinds": rows}
