"""The Delta tables of captions: `captions`, the history, and `captions_current` beside it."""

from pipeline.storage.tables.captions import IMAGE, IMAGE_AND_VERSION, CaptionTable
from pipeline.storage.tables.schema import CAPTIONED, HUMAN, MODEL, QUARANTINED, SCHEMA

__all__ = ["CAPTIONED", "HUMAN", "IMAGE", "IMAGE_AND_VERSION", "MODEL", "QUARANTINED", "SCHEMA", "CaptionTable"]
