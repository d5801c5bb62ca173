"""Versions in a real registry whose weights nobody loads, so that no test of promotions needs TensorFlow."""

from __future__ import annotations

from contextlib import suppress

from pipeline.core.environment import Home
from pipeline.registry.promotions import Promotions
from pipeline.registry.versions import DIGEST_TAG, Registry
from tests.toy_bundle import write_bundle

NAME = "captioner"


def home_in(root):
    return Home(root, root / "store", f"sqlite:///{root / 'mlflow.db'}")


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
            digest = write_bundle(bundle_of(home, number), ["dog"], text)
            source = bundle_of(home, number).parents[1].as_uri()
            client.create_model_version(name, source, tags={DIGEST_TAG: digest})
    return registry


def captioning(home, name=NAME):
    """The number of the version that captions."""
    champion = Promotions(home).champion(name)
    return champion and champion.version
