"""How far to trust a caption: an estimate of its CIDEr-D from what is known once it is written.

`confidence.json` in a bundle holds `Confidence` as plain numbers and lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import BundleRejected
from pipeline.files import read_json, write_json

Reals = npt.NDArray[np.float64]

EVIDENCE: Final = ("score", "hardest_choice", "words", "level", "zeros", "spread")
"""What the estimate rests on, in order.

score: mean log-probability of the words and `<end>`; hardest_choice: the highest entropy among the
distributions they were chosen from; words: how many, `<end>` counted. Of the picture's features: level,
their mean; zeros, the share that is 0; spread, the mean over channels of the deviation over positions.
"""
REACH: Final = 4.0
"""Standard deviations beyond which an input moves the estimate no further: nothing was fitted there."""
FORMAT: Final = 1


def evidence(features: npt.NDArray[Any], likely: npt.NDArray[Any], entropy: npt.NDArray[Any]) -> Reals:
    """What the estimate rests on: [n, len(EVIDENCE)].

    Args:
        features: [n, positions, channels], of which each picture's caption was written.
        likely: [n, words], log-probabilities as in `pipeline.model.hindsight.Reread`.
        entropy: [n, words], likewise.
    """
    grid, likely = features.astype(np.float64), likely.astype(np.float64)
    words = np.maximum((likely < 0).sum(axis=1), 1)
    return np.column_stack(
        [
            likely.sum(axis=1) / words,
            entropy.max(axis=1),
            words,
            grid.mean(axis=(1, 2)),
            (grid == 0).mean(axis=(1, 2)),
            grid.std(axis=1).mean(axis=1),
        ]
    )


def standardised(inputs: Reals, means: Reals, deviations: Reals) -> Reals:
    """Inputs [n, inputs] in standard deviations, within `REACH`."""
    return ((inputs - means) / deviations).clip(-REACH, REACH)


@dataclass(frozen=True)
class Estimate:
    """A log-linear model: the exponential of the weighted, standardised evidence.

    Attributes:
        means: float [inputs], taken off each input.
        deviations: float [inputs], above 0, each input is then divided by.
        weights: float [inputs].
        bias: added to the weighted sum.
    """

    means: Reals
    deviations: Reals
    weights: Reals
    bias: float

    def __call__(self, inputs: Reals) -> Reals:
        """The estimate, above 0, of each row of [n, inputs]."""
        return np.exp(standardised(inputs, self.means, self.deviations) @ self.weights + self.bias)


@dataclass(frozen=True)
class Confidence:
    """What turns the evidence for a caption into its confidence, the estimated CIDEr-D.

    Attributes:
        estimate: of CIDEr-D, from `evidence`.
        withhold_below: captions with less confidence are better withheld; a tenth of the validation
            pictures lay below.
    """

    estimate: Estimate
    withhold_below: float

    def write(self, path: Path) -> None:
        """Write `confidence.json`."""
        lists = {name: getattr(self.estimate, name).tolist() for name in ("means", "deviations", "weights")}
        values = {"format": FORMAT, "evidence": EVIDENCE, "bias": self.estimate.bias, **lists}
        write_json(path, values | {"withhold_below": self.withhold_below})

    @classmethod
    def read(cls, path: Path) -> Confidence:
        """Read `confidence.json`.

        Raises:
            BundleRejected: it is not what `write` writes.
        """
        try:
            return _parsed(read_json(path))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BundleRejected(f"{path} is not understood by this version of Nightcap: {error!r}") from error


def _parsed(values: dict[str, Any]) -> Confidence:
    if (values["format"], tuple(values["evidence"])) != (FORMAT, EVIDENCE):
        raise ValueError(f"format {values['format']!r} with evidence {values['evidence']}")
    means, deviations, weights = (np.asarray(values[name], float) for name in ("means", "deviations", "weights"))
    if {means.shape, deviations.shape, weights.shape} != {(len(EVIDENCE),)} or not (deviations > 0).all():
        raise ValueError("means, deviations (above 0) and weights need a number for each evidence")
    return Confidence(Estimate(means, deviations, weights, float(values["bias"])), float(values["withhold_below"]))
