"""Decoding in processes of their own, so that a hostile image costs itself and nothing else."""

from pipeline.imaging.sandbox.pool import Decoders
from pipeline.imaging.sandbox.task import DecodedPixels, Work

__all__ = ["DecodedPixels", "Decoders", "Work"]
