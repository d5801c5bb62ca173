"""Decoding in processes of their own, so that a hostile image costs itself and nothing else."""

from pipeline.imaging.sandbox.pool import Decoders
from pipeline.imaging.sandbox.stream import PROCESSES, decode_each, pixels_of_each, thumbnail_of_each
from pipeline.imaging.sandbox.task import DecodedPixels, Work

__all__ = ["PROCESSES", "DecodedPixels", "Decoders", "Work", "decode_each", "pixels_of_each", "thumbnail_of_each"]
