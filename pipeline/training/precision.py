"""Mixed precision where a GPU makes it worth having."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.model.network import keras


def policy() -> str:
    """A Keras dtype policy: bfloat16 from compute capability 8, float16 from 7, else float32."""
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        return "float32"
    major, _ = tf.config.experimental.get_device_details(devices[0]).get("compute_capability", (0, 0))
    return "mixed_bfloat16" if major >= 8 else "mixed_float16" if major == 7 else "float32"


@contextmanager
def training_precision(seed: int) -> Iterator[None]:
    """Seed Keras, and make new layers of the device's `policy` for as long as the block runs."""
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(policy())
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")
