"""What a night asks of a model, without the model's libraries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import numpy as np

    from pipeline.imaging.decode import Fit


EXTERNAL: Final = "foreign"  # the engine of what others made


@dataclass(frozen=True)
class Caption:
    """One image's caption."""

    text: str  # the words, without `<start>` and `<end>`; empty if there is a reason
    score: float | None  # mean natural log-probability of words and `<end>`, at most 0; None where others give none
    alternatives: tuple[str, ...] = ()  # other captions, best first; none of them is `text`, none comes twice
    confidence: float | None = None  # estimated CIDEr-D, above 0; None where the model was never calibrated
    reason: str | None = None  # why an external captioner has no caption for the image; None otherwise
    # Numbers of the image's features by name, for drift; empty where the model has none.
    image_statistics: Mapping[str, float] = field(default_factory=dict, compare=False)


class Captioner(Protocol):
    """A loaded model version."""

    name: str  # the registered model's name
    version: str  # its version, as a string
    digest: str  # SHA-256 of the bundle
    engine: str  # what computes, such as `tensorflow-float32`, or `foreign`; part of the version
    side: int  # side in pixels of the square images it takes
    fit: Fit  # how an image becomes square

    def caption(self, pixels: np.ndarray) -> list[Caption]:
        """Caption uint8 [n, side, side, 3] for any n of at least 1: n captions in the same order."""
        ...


@dataclass(frozen=True)
class PinnedModel:
    """A model version that will not change while it is used."""

    name: str  # the registered model's name, or the bundle's folder
    version: str  # its version, as a string; empty for a bare bundle
    digest: str  # SHA-256 of the bundle, or of an external captioner's files
    engine: str  # what computes, such as `tensorflow-float32`, or `foreign`
    uri: str  # where to load it from

    @property
    def is_external(self) -> bool:
        """Whether others made it, so that it is no bundle."""
        return self.engine == EXTERNAL
