"""A registry with a champion whose bundle is whole, though nobody can load its weights; and a captioner in its place."""

from dataclasses import replace

from pipeline.registry.cache import fetch_bundle
from pipeline.registry.versions import DIGEST_TAG, ENGINE_TAG, Registry
from tests.registered_bundle import make_champion
from tests.serving.night_world import ColourCaptioner
from tests.toy_bundle import write_bundle

CHAMPION_URI = "models:/captioner@champion"


def register_champion(home, words=("dog",)):
    """Register a bundle and make it the champion; its version."""
    version = register(home, words)
    make_champion(home, version)
    return version


def register(home, words):
    """Register a bundle; its version."""
    import mlflow

    registry, model = Registry(home), home.root / "made" / "-".join(words)
    digest = write_bundle(model / "artifacts" / "bundle", words)
    client = mlflow.MlflowClient(home.tracking_uri)
    if not registry.versions("captioner"):
        client.create_registered_model("captioner")
    tags = {DIGEST_TAG: digest, ENGINE_TAG: "tensorflow-float32"}
    return str(client.create_model_version("captioner", model.as_uri(), tags=tags).version)


def loader(home):
    """Fetches and checks a pinned bundle as a night does, and captions by colour."""

    def load(pinned):
        bundle = fetch_bundle(home, pinned)
        return replace(ColourCaptioner(), version=pinned.version, digest=bundle.digest, engine=pinned.engine)

    return load
