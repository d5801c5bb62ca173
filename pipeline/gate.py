"""May this version be promoted, and on what evidence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """A decision and its numbers.

    Attributes:
        promote: whether the challenger becomes champion.
        reason: one line that a person can read.
        challenger: its CIDEr-D on the test split.
        champion: the champion's on the same pictures, or None when there is none.
    """

    promote: bool
    reason: str
    challenger: float
    champion: float | None

    def as_json(self) -> dict[str, Any]:
        """The verdict as it is stored."""
        return asdict(self)


def judge(challenger: float, champion: float | None) -> Verdict:
    """Promote the first version, or one whose test CIDEr-D is above the champion's."""
    if champion is None:
        return Verdict(True, "there is no champion yet", challenger, None)
    better = challenger > champion
    comparison = f"CIDEr-D {challenger:.4f} against the champion's {champion:.4f} on the same test pictures"
    return Verdict(better, f"{'better' if better else 'not better'}: {comparison}", challenger, champion)
