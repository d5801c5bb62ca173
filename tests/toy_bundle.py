"""A whole bundle whose weights nobody can load, so that no test of its files needs TensorFlow."""

import h5py
import numpy as np

from pipeline.core.settings import DecoderSettings, DecodingSettings
from pipeline.metrics.normalisation import NORMALISATION
from pipeline.model.bundle import (
    CARD,
    CONFIDENCE,
    DECODER,
    ENCODER,
    GOLDEN,
    REFERENCE,
    VOCABULARY,
    BundleSettings,
    PixelSettings,
    seal,
    write_settings,
)
from pipeline.model.vocabulary import Vocabulary
from pipeline.storage.files import write_bytes, write_json, write_text

CHOSEN = BundleSettings(
    encoder="scenes",
    positions=49,
    channels=128,
    pixels=PixelSettings(side=112, fit="pad", interpolation="bicubic"),
    decoder=DecoderSettings(units=16),
    decoding=DecodingSettings(method="greedy"),
    normalisation=NORMALISATION,
)


def write_bundle(folder, words, card="# A card"):
    """Write a bundle that no other words and card give, and tell its digest."""
    write_text(folder / CARD, card)
    write_bytes(folder / GOLDEN / "0.png", b"\x89PNG\r\n\x1a\n of which nobody reads on")
    for name in (ENCODER, DECODER):
        with h5py.File(folder / name, "w") as file:
            file["numbers"] = np.frombuffer(card.encode(), np.uint8)
    for name in (REFERENCE, CONFIDENCE, f"{GOLDEN}/captions.json"):
        write_json(folder / name, {})
    write_settings(folder, CHOSEN)
    Vocabulary.of(words).write(folder / VOCABULARY)
    return seal(folder)
