"""A registry with a champion whose bundle is whole, though nobody can load its weights; and a captioner in its place."""

from dataclasses import replace

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
    read_bundle,
    seal,
    write_settings,
)
from pipeline.files import write_bytes, write_json
from pipeline.model_cache import fetch
from pipeline.registry import CHAMPION, DIGEST_TAG, ENGINE_TAG, Registry
from pipeline.settings import DecoderSettings, DecodingSettings
from pipeline.vocabulary import Vocabulary
from tests.serving.night_world import ColourCaptioner

CHAMPION_URI = "models:/captioner@champion"


def register_champion(home, words=("dog",)):
    """Register a bundle and make it the champion; its version."""
    import mlflow

    registry, model = Registry(home), home.root / "made" / "-".join(words)
    digest = write_bundle(model / "artifacts" / "bundle", words)
    client = mlflow.MlflowClient(home.tracking_uri)
    if not registry.versions("captioner"):
        client.create_registered_model("captioner")
    tags = {DIGEST_TAG: digest, ENGINE_TAG: "tensorflow-float32"}
    version = client.create_model_version("captioner", model.as_uri(), tags=tags).version
    registry.set_alias("captioner", CHAMPION, version)
    return str(version)


def write_bundle(folder, words):
    """Write a bundle, and tell its digest."""
    for name in (ENCODER, DECODER, CARD):
        write_bytes(folder / name, name.encode())
    for name in (REFERENCE, CONFIDENCE, f"{GOLDEN}/captions.json"):
        write_json(folder / name, {})
    settings = BundleSettings(
        encoder="scenes",
        positions=49,
        channels=128,
        pixels=PixelSettings(side=112, fit="pad", interpolation="bicubic"),
        decoder=DecoderSettings(units=16),
        decoding=DecodingSettings(method="greedy"),
    )
    write_settings(folder, settings)
    Vocabulary.of(words).write(folder / VOCABULARY)
    return seal(folder)


def loader(home):
    """Fetches and checks a pinned bundle as a night does, and captions by colour."""

    def load(pinned):
        bundle = fetch(home, pinned, read_bundle)
        return replace(ColourCaptioner(), version=pinned.version, digest=bundle.digest, engine=pinned.engine)

    return load
