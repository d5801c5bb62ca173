import time

import psutil
import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected, ModelNotFound, SettingsError
from pipeline.registry.versions import CHALLENGER, CHAMPION, DIGEST_TAG, Registry


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory):
    """A home where nothing is registered by Nightcap."""
    root = tmp_path_factory.mktemp("empty")
    return Home(root, root / "store", f"sqlite:///{root / 'mlflow.db'}")


@pytest.fixture(scope="module")
def registry(tiny_run):
    return Registry(tiny_run.home)


def test_a_version_is_found_by_alias_and_by_number(registry, tiny_run):
    by_number = registry.resolve("models:/captioner/1")
    assert by_number == registry.resolve("models:/captioner@champion")
    assert registry.aliased("captioner", "champion") == by_number.version
    assert by_number.uri == "models:/captioner/1"
    assert by_number.digest == tiny_run.output("bundle").figures()["bundle_digest"]
    assert by_number.engine == "tensorflow-float32"


def test_versions_are_listed_with_aliases_and_tags(registry, tiny_run):
    [version] = registry.versions("captioner")
    assert [version] == registry.versions()
    assert set(version.aliases) == {CHAMPION, CHALLENGER}
    assert version.tags[DIGEST_TAG] == tiny_run.output("bundle").figures()["bundle_digest"]
    session_began_s = psutil.Process().create_time() - 60  # it is told by the boot's clock, which drifts
    assert session_began_s < version.created_ms / 1000 <= time.time()
    assert registry.versions("another") == []


def test_a_version_is_found_by_its_digest(registry):
    [version] = registry.versions("captioner")
    assert registry.with_digest("captioner", version.tags[DIGEST_TAG]) == version
    assert registry.with_digest("captioner", "0" * 64) is None
    assert registry.with_digest("another", version.tags[DIGEST_TAG]) is None


@pytest.mark.parametrize(
    "uri", ["models:/captioner/7", "models:/captioner@rival", "models:/unheard/1", "models:/unheard@champion"]
)
def test_an_unknown_model_is_one_line_with_what_is_there(registry, tiny_run, uri):
    with pytest.raises(ModelNotFound) as caught:
        registry.resolve(uri)
    assert str(caught.value) == f"no model at {uri} in {tiny_run.home.tracking_uri}; registered: captioner/1"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "path", ["", "a", "a@", "@champion", "a/latest", "a/b/3", "a/1@champion", "a/-1", "a/²", "a/1.0"]
)
def test_a_malformed_uri_is_refused_with_the_two_forms(registry, path):
    uri = f"models:/{path}"
    with pytest.raises(SettingsError) as caught:
        registry.resolve(uri)
    assert not isinstance(caught.value, ModelNotFound)
    assert str(caught.value) == f"model {uri!r} is neither models:/name@alias nor models:/name/version"


def test_an_empty_registry_has_no_champion(empty_home):
    assert Registry(empty_home).aliased("captioner", "champion") is None
    with pytest.raises(ModelNotFound, match=r"mlflow\.db; make one with `nightcap train`"):
        Registry(empty_home).resolve("models:/captioner@champion")


def test_a_version_nightcap_did_not_register_is_refused(empty_home):
    import mlflow

    registry = Registry(empty_home)
    client = mlflow.MlflowClient(empty_home.tracking_uri)
    client.create_registered_model("foreign")
    client.create_model_version("foreign", (empty_home.root / "model").as_uri())
    with pytest.raises(BundleRejected, match="models:/foreign/1 is version 1 without a bundle_digest tag"):
        registry.resolve("models:/foreign/1")
    registry.tag("foreign", "1", {DIGEST_TAG: "d"})
    registry.set_alias("foreign", "odd", "1")
    assert registry.resolve("models:/foreign@odd").digest == "d"
    client.delete_registered_model("foreign")


def test_an_experiment_is_made_once_in_the_store(empty_home):
    import mlflow

    registry = Registry(empty_home)
    made = registry.experiment("one")
    assert registry.experiment("one") == made != registry.experiment("two")
    location = mlflow.MlflowClient(empty_home.tracking_uri).get_experiment(made).artifact_location
    assert location == empty_home.artifacts.as_uri()
