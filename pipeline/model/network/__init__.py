"""The network: encoder, decoder and decoding."""

from pipeline.core.imports import lean_import

# Keras has wrappers for scikit-learn and plots by Matplotlib. Where these are installed, it imports them at once.
with lean_import("matplotlib", "sklearn"):
    import keras

__all__ = ["keras"]
