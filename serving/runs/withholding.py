"""Which images are not captioned, and which captions are not published."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.core.reasons import UNUSABLE, WITHHELD
from pipeline.model.interface import Caption, Captioner
from serving.runs.settings import NightSettings


def is_refused(flags: Collection[str], settings: NightSettings) -> bool:
    """Whether an image with these flags is not captioned."""
    return bool(flags) and settings.unusable == "quarantine"


def why_withheld(caption: Caption, flags: Collection[str], settings: NightSettings, captioner: Captioner) -> str | None:
    """The reason for which a caption stays unpublished; None if it is published.

    A captioner that was never calibrated has neither a confidence nor a limit of its own.
    """
    if flags and settings.unusable == "withhold":
        return UNUSABLE
    own = float(getattr(captioner, "withhold_below", 0.0))
    limit = own if settings.withhold_below is None else settings.withhold_below
    return WITHHELD if caption.confidence is not None and caption.confidence < limit else None
