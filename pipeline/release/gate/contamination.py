"""Contamination: test images that a compared version was trained on, so that its score on them proves nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from pipeline.registry.lineage import Lineage
from pipeline.registry.versions import Version
from pipeline.release.gate.rules import Check

_LEAST = 2  # images that a comparison needs


@dataclass(frozen=True)
class Contamination:
    """The test images, by digest of their bytes, that trained or chose compared versions or those they continue."""

    tested: int  # number of test images
    images: frozenset[str] = frozenset()  # names of those that leave the comparison
    by_version: dict[str, int] = field(default_factory=dict)  # how many of them each version has seen
    unknown: tuple[str, ...] = ()  # versions of whose data a part is not known here

    @property
    def left_out(self) -> frozenset[str]:
        """The images that leave: none where too few would stay, as then the check refuses."""
        return self.images if self.check.passed else frozenset()

    @property
    def check(self) -> Check:
        """What is said of it; refuses where no comparison is left."""
        told = [f"{count} trained version {version}" for version, count in self.by_version.items() if count]
        passed = self.tested - len(self.images) >= _LEAST or not self.images
        rest = f"{len(self.images)} of {self.tested} test images {'left the comparison' if passed else 'leave none to compare'}"
        text = f"{rest}: {', '.join(told)}" if told else "no test image is known to have trained a compared version"
        names = ", ".join(self.unknown)
        return Check("contamination", passed, f"{text}; not known here: all data of version {names}" if names else text)


def contamination(
    tests: pd.DataFrame, lineage: Lineage, compared: Iterable[Version], versions: Sequence[Version]
) -> Contamination:
    """Look for test images, with columns image and sha256, in the data of compared versions, of all registered ones."""
    found: set[str] = set()
    counts: dict[str, int] = {}
    unknown = []
    for version in compared:
        taught = lineage.taught(version, versions)
        tables = [folder / "images.parquet" for folder in taught if folder and (folder / "images.parquet").is_file()]
        if len(tables) < len(taught):
            unknown.append(version.version)
        rows = [pd.read_parquet(table, columns=["sha256", "split"]) for table in tables]
        seen = {sha for each in rows for sha in each["sha256"][each["split"] != "test"]}
        own = set(tests["image"][tests["sha256"].isin(seen)])
        counts[version.version] = len(own)
        found |= own
    return Contamination(len(tests), frozenset(found), counts, tuple(unknown))
