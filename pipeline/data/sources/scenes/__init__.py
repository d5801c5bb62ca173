"""Built-in images of coloured shapes with captions, and the truth about them."""

from pipeline.data.sources.scenes.source import ScenesSource

__all__ = ["ScenesSource"]
