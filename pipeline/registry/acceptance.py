"""How many of a version's captions people accepted, of those that were drawn at random for review."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from pipeline.core.errors import NightcapError
from pipeline.storage.tables.reviews import CaptionReview, Decision, ReviewTable

log = logging.getLogger(__name__)

_Z: Final = 1.959964  # of a 95% interval


@dataclass(frozen=True)
class Share:
    """A share of captions."""

    count: int
    reviewed: int

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper bound of the share, 95% (Wilson, JASA 1927); 0 to 1 if none was reviewed."""
        if not self.reviewed:
            return 0.0, 1.0
        share, weight = self.count / self.reviewed, _Z**2 / self.reviewed
        middle = share + weight / 2
        spread = _Z * math.sqrt((share * (1 - share) + weight / 4) / self.reviewed)
        return max(0.0, (middle - spread) / (1 + weight)), min(1.0, (middle + spread) / (1 + weight))

    @property
    def bounds(self) -> str:
        """The interval for people."""
        lower, upper = self.interval
        return f"{lower:.0%} to {upper:.0%}"

    def __str__(self) -> str:
        return f"{self.count} of {self.reviewed} ({self.bounds})"


class Acceptance(NamedTuple):
    """What people said of one version's captions in audits."""

    blind: Share  # accepted by people who had written their own before they saw the model's
    open: Share  # accepted by others
    edited: Share
    rejected: Share
    distance: float | None  # words by which open reviews changed edited captions, in the mean; None without one

    @classmethod
    def of(cls, reviews: Iterable[CaptionReview]) -> Acceptance:
        """Count reviews; only those of audits count."""
        audited = [each for each in reviews if each.audited]
        blind, shown = ([each for each in audited if each.blind is is_blind] for is_blind in (True, False))
        distances = [each.distance for each in shown if each.distance is not None]
        mean = sum(distances) / len(distances) if distances else None
        accepted = _share(blind, "accepted"), _share(shown, "accepted")
        return cls(*accepted, _share(audited, "edited"), _share(audited, "rejected"), mean)

    @property
    def accepted(self) -> Share:
        """Blind and open reviews together."""
        return Share(self.blind.count + self.open.count, self.blind.reviewed + self.open.reviewed)

    def __str__(self) -> str:
        parts = {"blind": self.blind, "open": self.open}
        return (
            f"of {self.accepted.reviewed} captions that people reviewed, {self.accepted.count} were accepted "
            f"({self.accepted.bounds}), {self._edited()} and {self.rejected.count} rejected ({self.rejected.bounds}); "
            f"accepted {', '.join(f'{name} {share}' for name, share in parts.items() if share.reviewed)}"
        )

    def _edited(self) -> str:
        words = "" if self.distance is None else f" by {self.distance:.1f} words in the mean"
        return f"{self.edited.count} edited{words} ({self.edited.bounds})"

    def as_json(self) -> dict[str, Any]:
        """Counts, the accepted share's interval, and the text."""
        lower, upper = self.accepted.interval
        return {
            "reviewed": self.accepted.reviewed,
            "accepted": self.accepted.count,
            "lower": lower,
            "upper": upper,
            "edited": self.edited.count,
            "rejected": self.rejected.count,
            "distance": self.distance,
            "text": str(self),
        }

    def metrics(self) -> dict[str, float]:
        """As MLflow has it: `reviews_accepted` with its bounds, 0..1, and how many captions were reviewed."""
        lower, upper = self.accepted.interval
        return {
            "reviews": self.accepted.reviewed,
            "reviews_accepted": self.accepted.count / self.accepted.reviewed,
            "reviews_accepted_lower": lower,
            "reviews_accepted_upper": upper,
        }


def acceptance_of(store: Path, name: str, version: str | None) -> Acceptance | None:
    """What people said of one version; None if none of its captions was audited, or, with a warning, if none can be read."""
    try:
        reviews = ReviewTable.of(store).read()
    except NightcapError as error:
        log.warning("what people said of %s version %s is left out: %s", name, version, error)
        return None
    said = [each for each in reviews if each.audited and (each.model_name, each.model_version) == (name, version)]
    return Acceptance.of(said) if said else None


def _share(reviews: Iterable[CaptionReview], decision: Decision) -> Share:
    decisions = [each.decision for each in reviews]
    return Share(decisions.count(decision), len(decisions))
