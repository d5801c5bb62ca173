"""Corrections as people give them."""

from datetime import UTC, datetime, timedelta

from pipeline.storage.tables.corrections import Correction

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def correction(image, caption="what a person says", who="ann", days=0):
    return Correction(str(image), caption, who, NOW + timedelta(days=days))
