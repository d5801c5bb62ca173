import pytest

from pipeline.core.errors import RegistryUnavailable
from pipeline.model.interface import PinnedModel
from pipeline.registry.last_known import forget, last_known, remember
from tests.pipeline.registry.light_registry import home_in

URI = "models:/captioner@champion"
PINNED = PinnedModel("captioner", "3", "d" * 64, "tensorflow-float32", "models:/captioner/3")


def test_a_version_is_remembered_until_it_is_forgotten(tmp_path):
    home = home_in(tmp_path)
    remember(home, URI, PINNED)
    assert last_known(home, URI) == PINNED
    forget(home, URI)
    forget(home, URI)
    with pytest.raises(RegistryUnavailable, match=f"no night was planned with {URI}"):
        last_known(home, URI)


def test_an_equal_version_is_not_written_again(tmp_path):
    home = home_in(tmp_path)
    remember(home, URI, PINNED)
    (path,) = (home.store / "last_known").iterdir()
    before = path.stat()
    remember(home, URI, PINNED)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_bundle_s_folder_is_not_remembered(tmp_path):
    home = home_in(tmp_path)
    remember(home, "/bundles/one", PINNED)
    assert not (home.store / "last_known").exists()
