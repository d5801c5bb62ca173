"""How captions and images were distributed before a model went to work, for its nights to be compared with.

`reference.json` in a bundle holds a `Distribution` of each of `CAPTION_STATISTICS`, `TOP_CAPTION` and `IMAGE_STATISTICS`, from
validation images. Bundles made before have fewer or none, which is an empty reference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import BundleRejected
from pipeline.model.confidence import EVIDENCE, Reals
from pipeline.storage.files import read_json

CAPTION_STATISTICS: Final = ("words", "score", "confidence")  # their number, mean log-probability, estimated CIDEr-D
TOP_CAPTION: Final = "top_caption"  # of a caption: 1 if it is the most frequent one, else 0
IMAGE_STATISTICS: Final = EVIDENCE[3:]  # of an image's features: level, zeros, spread, strangeness, residue
DISTRIBUTIONS: Final = "distributions"
LOW_SHARE: Final = 0.1  # of validation captions, those that are least sure
MANY_UNSURE: Final = 3 * LOW_SHARE  # so many captions that are as unsure say that the model is out of its depth
BINS: Final = 10
_IMAGES_A_BIN: Final = 5  # else the bins of a small sample tell of chance alone
_MARGIN: Final = 0.1
_LARGE: Final = 100  # of normal numbers 0.3% lie beyond, in the mean

BinCounts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Distribution:
    """Counts of numbers between edges."""

    edges: Reals  # float [n], ascending; a number on an edge counts above it
    counts: BinCounts  # int [n + 1]; the first is of what lies below all edges

    @classmethod
    def of(cls, values: npt.NDArray[Any]) -> Distribution:
        """Bins of about equal counts, at least one value; beyond lowest and highest a tenth of the range is added."""
        low, high = float(values.min()), float(values.max())
        beyond = _MARGIN * (high - low) or _MARGIN * max(abs(low), 1.0)
        bins = max(2, min(BINS, len(values) // _IMAGES_A_BIN))
        within = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
        edges = np.unique([float(f"{edge:.6g}") for edge in (low - beyond, *within, high + beyond)])
        return cls(edges, count(edges, values))

    @classmethod
    def of_top(cls, captions: Sequence[str]) -> Distribution:
        """How many of some captions, at least one, are not the most frequent one, and how many are."""
        ((_, top),) = Counter(captions).most_common(1)
        return cls(np.array([0.5]), np.array([len(captions) - top, top]))

    @classmethod
    def parse(cls, item: Mapping[str, Any]) -> Distribution:
        """What `to_json` gave; raises KeyError, TypeError or ValueError if it is something else."""
        edges, counts = np.asarray(item["edges"], float), np.asarray(item["counts"], np.int64)
        if edges.ndim != 1 or counts.shape != (len(edges) + 1,) or not (np.diff(edges) > 0).all():
            raise ValueError(f"counts of shape {counts.shape} do not fit ascending edges of shape {edges.shape}")
        if (counts < 0).any() or not counts.sum():
            raise ValueError(f"{counts.tolist()} are not the counts of a sample")
        return cls(edges, counts)

    def quantile(self, share: float) -> float:
        """The number below which a share of the sample lies, between edges by linear interpolation."""
        return float(np.interp(share, np.cumsum(self.counts)[:-1] / self.counts.sum(), self.edges))

    @property
    def is_large(self) -> bool:
        """Whether the sample of `of` is large enough that little of the same kind lies beyond its outermost edges."""
        return bool(self.counts.sum() >= _LARGE)

    def covers(self, value: float) -> bool:
        """Whether a number is within the outermost edges, beyond which the sample of `of` had none."""
        return bool(self.edges[0] <= value < self.edges[-1])

    def to_json(self) -> dict[str, list[float] | list[int]]:
        """As `reference.json` has it."""
        return {"edges": self.edges.tolist(), "counts": self.counts.tolist()}


def count(edges: Reals, values: npt.NDArray[Any]) -> BinCounts:
    """How many values lie between some edges: int [len(edges) + 1]."""
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def is_unlike(reference: Mapping[str, Distribution], image_statistics: Mapping[str, float]) -> bool:
    """Whether a number of an image lies beyond those of all images of a large reference."""
    known = ((reference[name], value) for name, value in image_statistics.items() if name in reference)
    return any(distribution.is_large and not distribution.covers(value) for distribution, value in known)


def low_confidence(reference: Mapping[str, Distribution]) -> float | None:
    """The confidence that nine in ten validation captions reach; None where the model's is not known."""
    return reference["confidence"].quantile(LOW_SHARE) if "confidence" in reference else None


def word_count(caption: str) -> int:
    """The words of a caption."""
    return len(caption.split())


def read_reference(path: Path) -> dict[str, Distribution]:
    """The distributions in a bundle's `reference.json`, by their names; none in an older one."""
    try:
        return {name: Distribution.parse(item) for name, item in read_json(path).get(DISTRIBUTIONS, {}).items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BundleRejected(f"{path} is not understood by this version of Nightcap: {error!r}") from error
