"""Load a model as a person names it."""

from pipeline.registry.loading import load_pinned, pin


def load_captioner(home, model, decoding=None):
    """The captioner behind `models:/name@alias`, `models:/name/version` or a bundle's folder."""
    return load_pinned(home, pin(home, model), decoding)
