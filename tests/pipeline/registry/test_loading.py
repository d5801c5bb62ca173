from dataclasses import replace

import pytest

from pipeline.core.errors import BundleRejected, ModelNotFound, RegistryUnavailable
from pipeline.model.bundle import CARD
from pipeline.registry.cache import fetch
from pipeline.registry.last_known import remember
from pipeline.registry.loading import load_pinned, pin, pin_last_known
from tests.pipeline.registry.light_registry import NAME, add_versions, home_in
from tests.toy_bundle import write_bundle

URI = f"models:/{NAME}/1"


def test_a_bundle_s_folder_is_pinned_by_its_digest(tmp_path):
    home, folder = home_in(tmp_path), tmp_path / "bundle"
    digest = write_bundle(folder, ["dog"])
    pinned = pin(home, str(folder))
    assert (pinned.name, pinned.version, pinned.digest, pinned.uri) == ("bundle", "", digest, str(folder))
    write_bundle(folder, ["dog", "cat"])
    with pytest.raises(BundleRejected):
        load_pinned(home, pinned)
    with pytest.raises(ModelNotFound):
        pin(home, str(tmp_path / "nowhere"))


def test_the_last_known_version_needs_its_files_but_no_mlflow(tmp_path):
    home = home_in(tmp_path)
    add_versions(home, "one")
    down = replace(home, tracking_uri="http://127.0.0.1:9")
    pinned = pin(home, URI)
    remember(home, URI, pinned)
    with pytest.raises(RegistryUnavailable, match=f"the last known version of {URI} is not on this machine"):
        pin_last_known(down, URI)
    card = fetch(home, pinned).path / CARD
    assert pin_last_known(down, URI) == pinned
    card.write_text("altered")
    with pytest.raises(RegistryUnavailable, match="is not on this machine"):
        pin_last_known(down, URI)
