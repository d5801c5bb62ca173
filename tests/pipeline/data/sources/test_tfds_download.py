import pytest

from pipeline.core.errors import SettingsError
from pipeline.data.sources.tfds_download import _require_disk, is_prepared, prepare_dataset


@pytest.fixture
def prepared(tmp_path):
    folder = tmp_path / "some" / "config" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "features.json").write_text("{}")
    return folder


def test_a_dataset_is_prepared_where_a_version_lies(prepared, tmp_path):
    assert is_prepared("some/config", tmp_path)
    assert is_prepared("some/config:1.0.0", tmp_path)
    assert not is_prepared("some/config:2.0.0", tmp_path)
    assert not is_prepared("../etc", tmp_path)


def test_a_prepared_dataset_is_not_downloaded_again(prepared, tmp_path):
    assert prepare_dataset("some/config", tmp_path) == prepared


def test_a_disk_that_is_too_small_is_found_before_the_download(tmp_path):
    _require_disk(tmp_path / "new", 1)
    with pytest.raises(SettingsError, match=r"GB free, and the download .* needs 1000000 GB; name a larger disk"):
        _require_disk(tmp_path / "new", 1e15)
