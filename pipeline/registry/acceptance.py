"""How many of a version's captions people accepted, of those that were drawn at random for review."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.storage.tables.reviews import CaptionReview, ReviewTable

_Z: Final = 1.959964  # of a 95% interval


class Share(NamedTuple):
    """A share of captions."""

    accepted: int
    reviewed: int

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper bound of the share, 95% (Wilson, JASA 1927); 0 to 1 if none was reviewed."""
        if not self.reviewed:
            return 0.0, 1.0
        share, weight = self.accepted / self.reviewed, _Z**2 / self.reviewed
        middle = share + weight / 2
        spread = _Z * math.sqrt((share * (1 - share) + weight / 4) / self.reviewed)
        return max(0.0, (middle - spread) / (1 + weight)), min(1.0, (middle + spread) / (1 + weight))

    def __str__(self) -> str:
        lower, upper = self.interval
        return f"{self.accepted} of {self.reviewed} ({lower:.0%} to {upper:.0%})"


class Acceptance(NamedTuple):
    """Captions of one version that were accepted, of those in audits."""

    blind: Share  # reviewed by people who had written their own before they saw the model's
    open: Share

    @classmethod
    def of(cls, reviews: Iterable[CaptionReview]) -> Acceptance:
        """Count reviews; only those of audits count."""
        audited = [each for each in reviews if each.audited]
        return cls(*(_share(each for each in audited if each.blind is blind) for blind in (True, False)))

    @property
    def total(self) -> Share:
        """Blind and open reviews together."""
        return Share(self.blind.accepted + self.open.accepted, self.blind.reviewed + self.open.reviewed)

    @property
    def parts(self) -> dict[str, Share]:
        """Blind and open reviews, those that there are."""
        return {name: share for name, share in (("blind", self.blind), ("open", self.open)) if share.reviewed}

    def __str__(self) -> str:
        lower, upper = self.total.interval
        parts = ", ".join(f"{name} {share}" for name, share in self.parts.items())
        return (
            f"of {self.total.reviewed} captions that people reviewed, {self.total.accepted} were accepted "
            f"({lower:.0%} to {upper:.0%}); {parts}"
        )


def acceptances(store: Path) -> dict[tuple[str, str], Acceptance]:
    """By name and version of a model, those that have audited captions."""
    by_version: dict[tuple[str, str], list[CaptionReview]] = {}
    for review in ReviewTable.of(store).read():
        if review.audited:
            by_version.setdefault((review.model_name or "", review.model_version or ""), []).append(review)
    return {version: Acceptance.of(by_version[version]) for version in sorted(by_version)}


def acceptance_of(store: Path, name: str, version: str | None) -> Acceptance | None:
    """The acceptance of one version; None if none of its captions was audited."""
    return acceptances(store).get((name, version or ""))


def _share(reviews: Iterable[CaptionReview]) -> Share:
    decisions = [each.decision for each in reviews]
    return Share(decisions.count("accepted"), len(decisions))
