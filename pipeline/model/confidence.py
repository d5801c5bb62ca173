"""How far to trust a caption: an estimate of its CIDEr-D from the image and the decoder's distributions.

`confidence.json` in a bundle holds `Confidence` as plain numbers and lists.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import BundleRejected
from pipeline.storage.files import read_json, write_text

Reals = npt.NDArray[np.float64]

EVIDENCE: Final = ("score", "hardest_choice", "words", "level", "zeros", "spread", "strangeness", "residue")
"""What the estimate rests on, in order.

score: mean log-probability of the words and `<end>`; hardest_choice: the highest entropy among the
distributions they were chosen from; words: how many, `<end>` counted. Of the image's features: level, log
of their mean; zeros, the share that is 0; spread, log of the mean over channels of the deviation over
positions; strangeness and residue, see `PooledEmbeddings.distances`.
"""
REACH: Final = 4.0  # standard deviations; beyond them nothing was fitted, and an input moves the estimate no further
_FORMAT: Final = 1
ESTIMATED: Final = ("means", "deviations", "weights")
_TINY: Final = 1e-3


@dataclass(frozen=True)
class PooledEmbeddings:
    """The distribution of training images' pooled embeddings: means of the features over positions, at length 1."""

    centre: Reals  # float [channels], their mean
    directions: Reals  # float [directions, channels], their first principal ones
    deviations: Reals  # float [directions], above 0, standard deviations along them

    @classmethod
    def of(cls, means: Reals, count: int) -> PooledEmbeddings:
        """Fit `count` directions, or a quarter of n, to features' means over positions, float [n, channels]."""
        embeddings = _unit(means)
        centre = _rounded(embeddings.mean(axis=0))
        _, lengths, directions = np.linalg.svd(embeddings - centre, full_matrices=False)
        count = max(1, min(count, len(embeddings) // 4))
        deviations = lengths[:count] / len(embeddings) ** 0.5 + _TINY**2
        return cls(centre, _rounded(directions[:count]), _rounded(deviations))

    def distances(self, means: Reals) -> tuple[Reals, Reals]:
        """How far images are from the training images, by features' means over positions, float [n, channels].

        float [n] each: strangeness, the log of the mean squared deviation along the directions (Mahalanobis), and
        residue, the log of the reconstruction error by the directions.
        """
        centred = _unit(means) - self.centre
        along = centred @ self.directions.T  # [n, directions]
        residue = np.linalg.norm(centred - along @ self.directions, axis=1)
        return np.log(((along / self.deviations) ** 2).mean(axis=1) + _TINY), np.log(residue + _TINY)


def _unit(rows: Reals) -> Reals:
    units: Reals = rows / (np.linalg.norm(rows, axis=1, keepdims=True) + _TINY)
    return units


def _rounded(values: Reals) -> Reals:
    """Four significant digits, so that the file stays small."""
    return np.array([float(f"{value:.4g}") for value in values.flat]).reshape(values.shape)


def evidence(
    features: npt.NDArray[Any],  # [n, positions, channels], of which each image's caption was written
    log_probabilities: npt.NDArray[Any],  # [n, words], as in `teacher_forcing.CaptionScores`
    entropy: npt.NDArray[Any],  # [n, words], likewise
    pooled_embeddings: PooledEmbeddings,  # of the training images
) -> Reals:
    """What the estimate rests on: [n, len(EVIDENCE)]."""
    grid, log_probabilities = features.astype(np.float64), log_probabilities.astype(np.float64)
    words = np.maximum((log_probabilities < 0).sum(axis=1), 1)
    return np.column_stack(
        [
            log_probabilities.sum(axis=1) / words,
            entropy.max(axis=1),
            words,
            np.log(grid.mean(axis=(1, 2)).clip(_TINY)),
            (grid == 0).mean(axis=(1, 2)),
            np.log(grid.std(axis=1).mean(axis=1) + _TINY),
            *pooled_embeddings.distances(grid.mean(axis=1)),
        ]
    )


def standardised(inputs: Reals, means: Reals, deviations: Reals) -> Reals:
    """Inputs [n, inputs] in standard deviations, within `REACH`."""
    return ((inputs - means) / deviations).clip(-REACH, REACH)


@dataclass(frozen=True)
class Estimate:
    """A log-linear model: the exponential of the weighted, standardised evidence."""

    means: Reals  # float [inputs], taken off each input
    deviations: Reals  # float [inputs], above 0, each input is then divided by
    weights: Reals  # float [inputs]
    bias: float  # added to the weighted sum

    def __call__(self, inputs: Reals) -> Reals:
        """The estimate, above 0, of each row of [n, inputs]."""
        return np.exp(standardised(inputs, self.means, self.deviations) @ self.weights + self.bias)


@dataclass(frozen=True)
class Confidence:
    """What turns the evidence for a caption into its confidence, the estimated CIDEr-D."""

    pooled_embeddings: PooledEmbeddings  # of the training images
    estimate: Estimate  # of CIDEr-D, from `evidence`
    withhold_below: float  # less confident captions are better withheld; a tenth of the validation images lay below

    def write(self, path: Path) -> None:
        """Write `confidence.json`."""
        values = {
            "format": _FORMAT,
            "withhold_below": self.withhold_below,
            "evidence": EVIDENCE,
            "estimate": {name: getattr(self.estimate, name).tolist() for name in ESTIMATED}
            | {"bias": self.estimate.bias},
            "gists": {
                name: getattr(self.pooled_embeddings, name).tolist() for name in ("centre", "directions", "deviations")
            },
        }
        write_text(path, json.dumps(values) + "\n")

    @classmethod
    def read(cls, path: Path) -> Confidence:
        """Read `confidence.json`; any other content is rejected."""
        try:
            return _parsed(read_json(path))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BundleRejected(f"{path} is not understood by this version of Nightcap: {error!r}") from error


def _parsed(values: dict[str, Any]) -> Confidence:
    if (values["format"], tuple(values["evidence"])) != (_FORMAT, EVIDENCE):
        raise ValueError(f"format {values['format']!r} with evidence {values['evidence']}")
    pooled_embeddings = PooledEmbeddings(**{name: np.asarray(value, float) for name, value in values["gists"].items()})
    fitted = values["estimate"]
    estimate = Estimate(**{name: np.asarray(fitted[name], float) for name in ESTIMATED}, bias=float(fitted["bias"]))
    confidence = Confidence(pooled_embeddings, estimate, float(values["withhold_below"]))
    _check(confidence)
    return confidence


def _check(confidence: Confidence) -> None:
    embeddings, estimate = confidence.pooled_embeddings, confidence.estimate
    expected = (*embeddings.deviations.shape, *embeddings.centre.shape)
    if embeddings.directions.shape != expected or embeddings.centre.ndim != 1:
        raise ValueError(f"directions of shape {embeddings.directions.shape} do not fit centre and deviations")
    if any(getattr(estimate, name).shape != (len(EVIDENCE),) for name in ESTIMATED):
        raise ValueError(f"{', '.join(ESTIMATED)} need {len(EVIDENCE)} numbers each")
    if not ((embeddings.deviations > 0).all() and (estimate.deviations > 0).all()):
        raise ValueError("deviations must be above 0")
