"""What a listing passes over: counted by reason, with the first names of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pipeline.core.reasons import IGNORED_REASONS

EXAMPLES = 20  # of each reason that are kept


class Ignored:
    """Counts of ignored files by a code of `IGNORED_REASONS`, and the addresses of the first of each."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}

    @property
    def count(self) -> int:
        """How many files, or folders that were not entered, were ignored."""
        return self.reasons.total()

    def add(self, reason: str, uri: str) -> None:
        """Count a file or a folder that is not entered."""
        self.reasons[reason] += 1
        named = self.examples.setdefault(reason, [])
        if len(named) < EXAMPLES:
            named.append(uri)

    def join(self, other: Ignored) -> None:
        """Count what another listing ignored, too."""
        self.reasons.update(other.reasons)
        for reason, uris in other.examples.items():
            named = self.examples.setdefault(reason, [])
            named += uris[: EXAMPLES - len(named)]

    def clear(self) -> None:
        """Begin anew."""
        self.reasons.clear()
        self.examples.clear()


def told(reasons: Mapping[str, int], examples: Mapping[str, list[str]]) -> list[str]:
    """Lines for a person: each reason with its meaning, its count and its first files."""
    lines = []
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1]):
        lines.append(f"{count} ignored as {reason}. {IGNORED_REASONS[reason]}")
        named = examples.get(reason, [])
        lines += [f"  {uri}" for uri in named]
        if count > len(named):
            lines.append(f"  and {count - len(named)} more")
    return lines
