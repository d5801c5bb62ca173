"""Captions as alt texts."""

from __future__ import annotations


def shorten(caption: str, most: int | None) -> str:
    """A caption of at most so many characters, an ellipsis included, cut after a whole word if that leaves any."""
    if most is None or len(caption) <= most:
        return caption
    head = caption[:most]  # its last character makes room for the ellipsis
    cut = head.rpartition(" ")[0].rstrip(" ,;:.-") or head[:-1]
    return f"{cut}\N{HORIZONTAL ELLIPSIS}"
