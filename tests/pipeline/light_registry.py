"""Versions in a real registry whose weights nobody loads, so that no test of promotions needs TensorFlow."""

from __future__ import annotations

import io
from contextlib import suppress

import h5py
import numpy as np
from PIL import Image

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
from pipeline.files import write_bytes, write_json, write_text
from pipeline.home import Home
from pipeline.promotion import Promotions
from pipeline.registry import DIGEST_TAG, Registry
from pipeline.settings import DecoderSettings, DecodingSettings
from pipeline.vocabulary import Vocabulary

NAME = "captioner"
SETTINGS = BundleSettings(
    encoder="scenes",
    positions=49,
    channels=128,
    pixels=PixelSettings(side=112, fit="pad", interpolation="bicubic"),
    decoder=DecoderSettings(units=16),
    decoding=DecodingSettings(method="greedy"),
)


def home_in(root):
    return Home(root, root / "store", f"sqlite:///{root / 'mlflow.db'}")


def write_bundle(folder, text):
    """A sealed bundle that no other text gives; its digest."""
    write_text(folder / CARD, text)
    write_bytes(folder / GOLDEN / "0.png", _picture())
    for name in (ENCODER, DECODER):
        with h5py.File(folder / name, "w") as file:
            file["numbers"] = np.frombuffer(text.encode(), np.uint8)
    for name in (REFERENCE, CONFIDENCE, f"{GOLDEN}/captions.json"):
        write_json(folder / name, {})
    write_settings(folder, SETTINGS)
    Vocabulary.of(["dog"]).write(folder / VOCABULARY)
    return seal(folder)


def _picture():
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, "PNG")
    return buffer.getvalue()


def bundle_of(home, number):
    return home.artifacts / f"model-{number}" / "artifacts" / "bundle"


def add_versions(home, *texts, name=NAME):
    """Register a version for each text; the registry."""
    registry = Registry(home)
    with registry.answering():
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        client = MlflowClient(home.tracking_uri)
        with suppress(MlflowException):  # it is there
            client.create_registered_model(name)
        for text in texts:
            number = len(registry.versions(name)) + 1
            digest = write_bundle(bundle_of(home, number), text)
            source = bundle_of(home, number).parents[1].as_uri()
            client.create_model_version(name, source, tags={DIGEST_TAG: digest})
    return registry


def captioning(home, name=NAME):
    """The number of the version that captions."""
    champion = Promotions(home).champion(name)
    return champion and champion.version
