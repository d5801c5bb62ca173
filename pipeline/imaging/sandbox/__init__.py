"""Decoding in processes of their own, so that a hostile image costs itself and nothing else."""

from pipeline.imaging.sandbox.pool import Decoders
from pipeline.imaging.sandbox.task import CRASHED, SANDBOX_REASONS, TIMEOUT, DecodedPixels, Work

__all__ = ["CRASHED", "SANDBOX_REASONS", "TIMEOUT", "DecodedPixels", "Decoders", "Work"]
