"""A stored bundle in a registry of its own, registered as `register` does and promoted; nothing is trained."""

from pipeline.core.environment import Home
from pipeline.model.bundle import ENGINE, FORMAT, read_bundle
from pipeline.registry.versions import CHAMPION, DIGEST_TAG, ENGINE_TAG, Registry
from pipeline.release.register import log_model
from tests.fixtures.stored_bundles import unpack


def register_stored(root):
    """The home where `captioner@champion` is the stored bundle of today's format."""
    import mlflow

    home = Home(root, root / "store", f"sqlite:///{root / 'mlflow.db'}")
    folder = unpack(FORMAT, root / "bundle")
    digest = read_bundle(folder).digest
    registry = Registry(home)
    with mlflow.start_run(experiment_id=registry.experiment("captioner")):
        model_uri = log_model(folder, digest).model_uri
    registry.create("captioner", model_uri, {DIGEST_TAG: digest, ENGINE_TAG: ENGINE}, "of tests")
    registry.set_alias("captioner", CHAMPION, "1")
    return home


def stored_model(home):
    """The folder of the registered version among MLflow's artifacts."""
    (description,) = home.artifacts.rglob("MLmodel")
    return description.parent
