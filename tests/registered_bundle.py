"""A stored bundle in a registry of its own, registered as `register` does and promoted; nothing is trained."""

from pipeline.core.environment import Home
from pipeline.model.bundle import ENGINE, FORMAT, read_bundle
from pipeline.registry.journal import Change, Journal
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
        model_uri = log_model(folder, digest, ENGINE).model_uri
    registry.create("captioner", model_uri, {DIGEST_TAG: digest, ENGINE_TAG: ENGINE}, "of tests")
    make_champion(home, "1")
    return home


def make_champion(home, version, name="captioner"):
    """Let the journal and the alias name a registered version, without a check of its files; the entry."""
    registry, journal = Registry(home), Journal.of(home)
    now, pinned = journal.current(name), registry.resolve(f"models:/{name}/{version}")
    told = {"model": name, "action": "promote", "from": now and now.target, "to": version, "who": "tests"}
    change = Change.model_validate(told | {"digest": pinned.digest, "engine": pinned.engine or ENGINE})
    entry = journal.append(change, journal.last())
    registry.set_alias(name, CHAMPION, version)
    return entry


def stored_model(home):
    """The folder of the registered version among MLflow's artifacts."""
    (description,) = home.artifacts.rglob("MLmodel")
    return description.parent
