"""Captions as files that people ask for, beside the table: JSON lines, CSV, a text file an image."""

from serving.reporting.outputs.targets import LocalTarget, OutputTarget, S3Target
from serving.reporting.outputs.write import amend_outputs, forget_outputs, mentions_in_outputs, write_outputs

__all__ = ["LocalTarget", "OutputTarget", "S3Target", "amend_outputs", "forget_outputs"]
__all__ += ["mentions_in_outputs", "write_outputs"]
