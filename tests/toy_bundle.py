"""A whole bundle whose weights nobody can load."""

from pipeline.bundle import (
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
from pipeline.files import write_bytes, write_json
from pipeline.settings import DecoderSettings, DecodingSettings
from pipeline.vocabulary import Vocabulary

CHOSEN = BundleSettings(
    encoder="scenes",
    positions=49,
    channels=128,
    pixels=PixelSettings(side=112, fit="pad", interpolation="bicubic"),
    decoder=DecoderSettings(units=16),
    decoding=DecodingSettings(method="greedy"),
)


def write_bundle(folder, words):
    """Write a bundle, and tell its digest."""
    for name in (ENCODER, DECODER, CARD, f"{GOLDEN}/0.png"):
        write_bytes(folder / name, f"the bytes of {name}".encode())
    for name in (REFERENCE, CONFIDENCE, f"{GOLDEN}/captions.json"):
        write_json(folder / name, {})
    write_settings(folder, CHOSEN)
    Vocabulary.of(words).write(folder / VOCABULARY)
    return seal(folder)
