"""The rules of the gate: from numbers to a verdict with its reasons. Nothing here reads a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from pipeline.core.points import POINTS, points
from pipeline.core.settings import GateSettings
from pipeline.evaluation.slices import Slice
from pipeline.metrics.bootstrap import Bounds, bounds
from pipeline.model.confidence import Reals
from pipeline.release.gate.candidate import GateCandidate
from pipeline.release.gate.superiority import superiority
from pipeline.storage.tables.corrections import CORRECTED

FAULTS = {
    "dangling": "break off",
    "repeated": "repeat themselves",
    "unknown": "hold an unknown word",
    "empty": "are empty",
}


@dataclass(frozen=True)
class Check:
    """One rule, such as `cider_d`, and its result in a line."""

    name: str
    passed: bool
    text: str


@dataclass(frozen=True)
class Compared:
    """Both versions on one slice."""

    name: str  # the property that it is cut by, and between which values
    images: int  # their number
    challenger: float  # mean CIDEr-D, in [0, 10]
    champion: float  # likewise
    difference: Bounds  # challenger less champion
    refuses: bool  # whether the slice alone refuses the challenger


@dataclass(frozen=True)
class GateVerdict:
    """A decision and its numbers."""

    promote: bool  # whether the challenger may become the champion
    reason: str  # one line for people
    challenger: float  # its CIDEr-D on the test split, in [0, 10]
    champion: float | None  # the champion's on the same images; None without a champion
    versions: Mapping[str, Any] = field(default_factory=dict)  # number and digest of both
    images: int = 0  # number of test images
    difference: Bounds | None = None  # of the means; None without a champion
    checks: Sequence[Check] = ()
    slices: Sequence[Compared] = ()  # by properties of people's captions, and by whether people corrected them
    settings: Mapping[str, Any] = field(default_factory=dict)
    trial: Mapping[str, float] = field(default_factory=dict)  # seconds and memory in a clean process
    reliability: Mapping[str, Any] | None = None  # of the challenger's confidence on the test images

    def as_json(self) -> dict[str, Any]:
        """The verdict as it is stored."""
        whole = asdict(self)
        rows = [row | {"difference": row["difference"]._asdict()} for row in whole["slices"]]
        return whole | {"difference": self.difference and self.difference._asdict(), "slices": rows}


def judge(
    challenger: GateCandidate,
    champion: GateCandidate | None,
    slices: Mapping[str, Slice],
    images: Sequence[str],
    settings: GateSettings,
    attempt: int = 1,
) -> GateVerdict:
    """Whether a version may caption in the champion's place; `images` are in the order of both versions' scores.

    `attempt` counts the versions that were compared with this champion, this one with them.
    """
    places = {image: place for place, image in enumerate(images)}
    rows: list[Compared] = []
    if champion is None:
        checks = list(_floors(challenger, settings))
        difference = None
    else:
        for name, part in slices.items():
            members = np.array([places[image] for image in part.images])
            rows.append(_compared(name, challenger.cider_d[members], champion.cider_d[members], settings))
        corrected = np.array([image.startswith(CORRECTED) for image in images])
        better = superiority(challenger, champion, corrected, settings, attempt)
        difference = better.difference
        checks = [Check("cider_d", better.found, better.text), *_slice_checks(rows)]
    checks += [*_health(challenger, champion, settings), *_measured(challenger, champion, settings)]
    return GateVerdict(
        promote=all(check.passed for check in checks),
        reason=reason_of(checks),
        challenger=float(challenger.cider_d.mean()),
        champion=None if champion is None else float(champion.cider_d.mean()),
        versions={
            name: candidate and {"version": candidate.version, "digest": candidate.digest}
            for name, candidate in (("challenger", challenger), ("champion", champion))
        },
        images=len(images),
        difference=difference,
        checks=checks,
        slices=rows,
        reliability=challenger.reliability,
        settings=settings.model_dump(mode="json") | settings.constants,
    )


def reason_of(checks: Sequence[Check]) -> str:
    """The text of every failed rule; else of the first, which has the version's score."""
    return "; ".join(check.text for check in checks if not check.passed) or checks[0].text


def _bounds(differences: Reals, settings: GateSettings) -> Bounds:
    return bounds(differences, settings.resamples, settings.confidence)


def _floors(challenger: GateCandidate, settings: GateSettings) -> Iterator[Check]:
    """The rules for a version without a champion to beat."""
    high = bool(challenger.cider_d.mean() * POINTS >= settings.first_points)
    score = f"CIDEr-D {_mean(challenger.cider_d)} on {len(challenger.cider_d)} test images"
    below = f"too low for a first version: {score}, the floor is {settings.first_points:g}"
    yield Check("floor", high, f"there is no champion yet; {score}" if high else below)
    if settings.first_points:
        own = _bounds(challenger.cider_d - challenger.moved, settings)
        fits = own.lower > 0
        text = f"captions {'fit' if fits else 'do not surely fit'} their own images better than others: {_signed(own)}"
        yield Check("own_pictures", fits, text)


def _compared(name: str, challenger: Reals, champion: Reals, settings: GateSettings) -> Compared:
    difference = _bounds(challenger - champion, settings)
    is_large = len(challenger) >= settings.constants["slice_images"]
    refuses = is_large and difference.mean * POINTS < -settings.constants["slice_drop_points"] and difference.upper < 0
    return Compared(name, len(challenger), float(challenger.mean()), float(champion.mean()), difference, bool(refuses))


def _slice_checks(rows: Sequence[Compared]) -> list[Check]:
    worse = [row for row in rows if row.refuses]
    if not worse:
        return [Check("slices", True, f"on none of {len(rows)} slices clearly worse")] if rows else []
    texts = (f"worse where {row.name} ({row.images} images): {_signed(row.difference)}" for row in worse)
    return [Check("slices", False, text) for text in texts]


def _health(challenger: GateCandidate, champion: GateCandidate | None, settings: GateSettings) -> Iterator[Check]:
    shares = challenger.health.as_dict()
    allowed = champion.health.as_dict() if champion else {}
    for name, fault in FAULTS.items():
        yield _at_most("health", f"captions that {fault}", shares[name], settings.max_faulty_share, allowed.get(name))
    same, limit = shares["most_frequent"], settings.max_same_share
    yield _at_most("health", "images with one and the same caption", same, limit, allowed.get("most_frequent"))


def _measured(challenger: GateCandidate, champion: GateCandidate | None, settings: GateSettings) -> Iterator[Check]:
    """The rules of figures that not every version has."""
    if challenger.chair is not None:
        before = champion.chair if champion else None
        limit = settings.max_chair if before is None else before + settings.max_chair_rise
        yield _at_most("chair", "named objects that are not there", challenger.chair, limit)
    if challenger.withheld is not None:
        limit = settings.max_withheld_share
        yield _at_most("withheld", "captions that it would withhold itself", challenger.withheld, limit)
    if challenger.reliability is not None:
        slope, error = challenger.reliability["slope"], challenger.reliability["error"]
        rise = "does not change" if slope is None else f"rises by {slope:.2f} for each 1 estimated"
        text = f"CIDEr-D {rise}, and fifths by confidence are off by {points(error)} in the mean (refuses nothing)"
        yield Check("confidence", True, text)


def _at_most(name: str, subject: str, share: float, limit: float, champion: float | None = None) -> Check:
    """A share within its limit, or within the champion's where that is larger."""
    allowed = max(limit, champion or 0.0)
    passed = share <= allowed
    return Check(name, passed, f"{'' if passed else 'too many '}{subject}: {share:.1%}, allowed {allowed:.1%}")


def _mean(scores: Reals) -> str:
    return points(scores.mean())


def _signed(bound: Bounds) -> str:
    return f"{bound.mean * POINTS:+.1f} points (between {bound.lower * POINTS:+.1f} and {bound.upper * POINTS:+.1f})"
