"""Captions as files that people ask for, beside the table: JSON lines, CSV, a text file an image."""

from serving.reporting.outputs.targets import LocalPlace, Place, S3Place
from serving.reporting.outputs.write import forget_outputs, write_outputs

__all__ = ["LocalPlace", "Place", "S3Place", "forget_outputs", "write_outputs"]
