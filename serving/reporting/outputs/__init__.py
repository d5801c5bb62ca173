"""Captions as files that people ask for, beside the table: JSON lines, CSV, a text file an image."""

from serving.reporting.outputs.targets import LocalTarget, OutputTarget, S3Target
from serving.reporting.outputs.write import forget_outputs, mentions_in_outputs, write_outputs

__all__ = ["LocalTarget", "OutputTarget", "S3Target", "forget_outputs", "mentions_in_outputs"]
__all__ += ["write_outputs"]
