"""How far scores of a set of captions are sure: percentile intervals over resampled images (Efron and Tibshirani, 1993)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.metrics.bleu import Matches
from pipeline.metrics.bootstrap import resampled_means
from pipeline.metrics.ngrams import ORDER

if TYPE_CHECKING:
    from pipeline.metrics.scores import Report

RESAMPLES = 2000
_QUANTILES = (0.025, 0.975)

_Reals = npt.NDArray[np.float64]
Intervals = dict[str, tuple[float, float]]


def intervals(report: Report) -> Intervals:
    """The 95% interval of each score, in its own range; METEOR has none, since Java would have to score each resample."""
    resampled = _resampled(resampled_means(_columns(report), RESAMPLES))
    return {name: _interval(values) for name, values in resampled.items()}


def differences(report: Report, other: Report) -> Intervals:
    """The 95% interval of each score less the other's, paired: both take the same resampled images."""
    columns = _columns(report)
    means = resampled_means(np.hstack([columns, _columns(other)]), RESAMPLES)
    own, others = _resampled(means[:, : columns.shape[1]]), _resampled(means[:, columns.shape[1] :])
    return {name: _interval(values - others[name]) for name, values in own.items()}


def _columns(report: Report) -> _Reals:
    """Float [images, 12]: the ten counts of BLEU, then ROUGE-L and CIDEr-D."""
    return np.array(
        [
            [row.length, row.reference_length, *row.guessed, *row.correct, scores["rouge_l"], scores["cider_d"]]
            for row, scores in zip(report.matches, report.per_image.values(), strict=True)
        ],
        np.float64,
    )


def _resampled(means: _Reals) -> dict[str, _Reals]:
    """Scores, float [resamples] each, of the means of `_columns`, float [resamples, 12]."""
    bleu = np.array([_bleu(row) for row in means[:, :-2]])
    names = [f"bleu_{order}" for order in range(1, ORDER + 1)]
    return {**dict(zip(names, bleu.T, strict=True)), "rouge_l": means[:, -2], "cider_d": means[:, -1]}


def _bleu(counts: _Reals) -> list[float]:
    length, reference_length, *ngrams = counts.tolist()
    return Matches(length, reference_length, tuple(ngrams[:ORDER]), tuple(ngrams[ORDER:])).bleu()


def _interval(values: _Reals) -> tuple[float, float]:
    low, high = np.quantile(values, _QUANTILES)
    return float(low), float(high)
