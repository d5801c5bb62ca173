import os
from dataclasses import replace

import pytest

from pipeline.core.errors import BundleRejected, ModelNotFound
from pipeline.model.bundle import CARD
from pipeline.model.interface import EXTERNAL
from pipeline.registry.cache import cached, fetch, fetch_bundle
from pipeline.registry.versions import Registry
from tests.pipeline.registry.light_registry import NAME, add_versions, home_in


@pytest.fixture
def home(tmp_path):
    home = home_in(tmp_path)
    add_versions(home, "one")
    return home


@pytest.fixture
def pinned(home):
    return Registry(home).resolve(f"models:/{NAME}/1")


def test_a_version_is_fetched_once_and_then_read_without_mlflow(home, pinned):
    with pytest.raises(ModelNotFound):
        cached(home, pinned)
    fetched = fetch(home, pinned)
    assert fetched.digest == pinned.digest
    down = replace(home, tracking_uri="http://127.0.0.1:9")
    assert fetch(down, pinned) == fetched == cached(down, pinned)


def test_a_damaged_copy_is_fetched_anew(home, pinned):
    card = fetch(home, pinned).path / CARD
    card.write_text("altered")
    with pytest.raises(BundleRejected):
        cached(home, pinned)
    fetch(home, pinned)
    assert card.read_text() == "one"


def test_reading_a_copy_is_a_use_of_it(home, pinned):
    folder = fetch(home, pinned).path
    os.utime(folder, (0, 0))
    cached(home, pinned)
    assert folder.stat().st_mtime > 0


def test_an_external_captioner_is_no_bundle_and_its_copy_stays(home, pinned):
    folder = fetch(home, pinned).path
    with pytest.raises(BundleRejected, match="external captioner"):
        fetch_bundle(home, replace(pinned, engine=EXTERNAL))
    assert folder.is_dir()
