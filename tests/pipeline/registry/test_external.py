"""A person names an external version; its files stay as they were then."""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected
from pipeline.registry.external import name_external
from pipeline.registry.loading import load_pinned, pin
from pipeline.registry.versions import DIGEST_TAG, Registry
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
        name_external(home, uri)
    with pytest.raises(BundleRejected, match="holds no folder artifacts/bundle"):
        load_pinned(home, pin(home, uri))


def test_altered_files_are_refused(home):
    uri = log_model(home, "altered")
    pinned = name_external(home, uri)
    assert name_external(home, uri) == pinned == pin(home, uri)
    code = artifacts(home, "altered") / CODE.name
    code.write_text(code.read_text() + "\n# altered\n")
    for act in (lambda: load_pinned(home, pinned), lambda: name_external(home, uri)):
        with pytest.raises(BundleRejected, match="log it as a new version"):
            act()


def artifacts(home, name):
    """Where MLflow keeps the first version's files."""
    import mlflow

    uri = mlflow.MlflowClient(home.tracking_uri).get_model_version_download_uri(name, "1")
    return Path(url2pathname(urlsplit(uri).path))
