"""A person names an external version; its files stay as they were then."""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected, PromotionRefused, SettingsError
from pipeline.model.interface import EXTERNAL
from pipeline.registry.external import name_external, revoke_external
from pipeline.registry.journal import Journal
from pipeline.registry.loading import load_pinned, pin, require_authorised
from pipeline.registry.promotions import Promotions
from pipeline.registry.versions import DIGEST_TAG, ENGINE_TAG, Registry
from serving.planning.model_choice import load_for_night, pin_for_night
from serving.runs.settings import NightSettings
from tests.pipeline.model.external.strangers import CODE, LIMITS, log_model


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A registry to which strangers log models."""
    root = tmp_path_factory.mktemp("external")
    return Home(root, root / "store", f"sqlite:///{root / 'mlflow.db'}", external=LIMITS)


def test_only_a_version_that_a_person_named_is_run(home):
    uri = log_model(home, "stranger")
    with pytest.raises(BundleRejected, match=f"nightcap models external {uri}"):
        pin(home, uri)
    registry = Registry(home)
    registry.tag("stranger", uri.rpartition("/")[2], {DIGEST_TAG: "0" * 64})
    with pytest.raises(BundleRejected, match="Nightcap's own"):
        name_external(home, uri, "ann")
    with pytest.raises(BundleRejected, match="holds no folder artifacts/bundle"):
        load_pinned(home, pin(home, uri))


def test_the_tags_of_a_named_version_alone_run_nothing(home):
    """As they stand in a registry from before the journal named captioners."""
    uri = log_model(home, "tagged")
    Registry(home).tag("tagged", "1", {ENGINE_TAG: EXTERNAL, DIGEST_TAG: "0" * 64})
    with pytest.raises(SettingsError, match=f"the promotion journal does not name it .*nightcap models external {uri}"):
        load_pinned(home, pin(home, uri))


def test_altered_files_are_refused(home):
    uri = log_model(home, "altered")
    pinned = name_external(home, uri, "ann", "I read it")
    assert name_external(home, uri, "bob") == pinned == pin(home, uri)
    entries = [
        (each.action, each.target, each.digest, each.engine, each.who) for each in Journal.of(home).entries("altered")
    ]
    assert entries == [("allow", "1", pinned.digest, EXTERNAL, "ann")]
    assert Promotions(home).champion("altered") is None
    code = artifacts(home, "altered") / CODE.name
    code.write_text(code.read_text() + "\n# altered\n")
    for act in (lambda: load_pinned(home, pinned), lambda: name_external(home, uri, "ann")):
        with pytest.raises(BundleRejected, match="log it as a new version"):
            act()


def test_a_captioner_that_is_revoked_runs_no_more(home):
    uri = log_model(home, "revoked")
    pinned = name_external(home, uri, "ann")
    require_authorised(home, pinned)
    entry = revoke_external(home, uri, "bob", "it phones home")
    assert (entry.action, entry.who, entry.why, entry.digest) == ("revoke", "bob", "it phones home", pinned.digest)
    for act in (
        lambda: load_pinned(home, pinned),
        lambda: load_pinned(home, pin(home, uri)),
        lambda: pin_for_night(NightSettings(model=uri), home),
        lambda: load_for_night(home, pinned),  # of a plan from before
    ):
        with pytest.raises(SettingsError, match=f"does not name it .*nightcap models external {uri}"):
            act()
    with pytest.raises(PromotionRefused, match="name it first"):
        Promotions(home).promote("revoked", "1", 0, "ann")
    for other in (uri, "models:/revoked/7"):
        with pytest.raises(SettingsError, match="lets no external captioner run as that"):
            revoke_external(home, other, "bob")
    assert name_external(home, uri, "ann") == pinned
    require_authorised(home, pinned)


def artifacts(home, name):
    """Where MLflow keeps the first version's files."""
    import mlflow

    uri = mlflow.MlflowClient(home.tracking_uri).get_model_version_download_uri(name, "1")
    return Path(url2pathname(urlsplit(uri).path))
