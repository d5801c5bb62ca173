"""How good a trained decoder is, on pictures that no training code read."""

from pipeline.evaluation.evaluate import caption_split, evaluate

__all__ = ["caption_split", "evaluate"]
