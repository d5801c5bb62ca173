"""Why captions are better not trusted, told once for all images of a command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from nightcap.captioning import Line
from pipeline.core.points import points
from pipeline.model.reference_profile import MANY_UNSURE, Distribution, is_unlike, low_confidence

_NAMED = 3


@dataclass
class _Images:
    """How many there are, and the names of the first."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.count += 1
        if len(self.first) < _NAMED:
            self.first.append(name)

    def __str__(self) -> str:
        more = self.count - len(self.first)
        return ", ".join(self.first) + (f" and {more} more" if more else "")


class Doubts:
    """What a model's reference, distributions by statistic, says of images; nothing where it is empty."""

    def __init__(self, reference: Mapping[str, Distribution]) -> None:
        self._reference, self._low = reference, low_confidence(reference)
        self._captioned, self._unlike, self._unsure = 0, _Images(), _Images()

    def add(self, line: Line) -> None:
        """Take note of an image; quarantined ones do not count."""
        if line.caption is None:
            return
        self._captioned += 1
        if is_unlike(self._reference, line.caption.image_statistics):
            self._unlike.add(line.image)
        confidence = line.caption.confidence
        if self._low is not None and confidence is not None and confidence < self._low:
            self._unsure.add(line.image)

    def told(self) -> Iterator[str]:
        """A line for each doubt; that a tenth of the captions is unsure is usual, and not told."""
        if self._unlike.count:
            yield (
                f"{self._unlike.count} of {self._captioned} images are unlike every image that the model was compared "
                f"with; do not trust their captions: {self._unlike}"
            )
        if self._low is not None and self._unsure.count > MANY_UNSURE * self._captioned:
            yield (
                f"{self._unsure.count} of {self._captioned} captions have a confidence below {points(self._low)} (CIDEr-D "
                f"times 100), which nine in ten captions of the model's validation images reach: {self._unsure}"
            )
