"""validate: row rules quarantine images and captions, dataset rules stop the run."""

from pipeline.data.validation.stage import validate

__all__ = ["validate"]
