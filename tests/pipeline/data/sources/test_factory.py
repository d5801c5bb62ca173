import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.core.settings import SourceSettings
from pipeline.data.sources.coco import CocoJsonSource
from pipeline.data.sources.factory import open_source
from pipeline.data.sources.scenes import ScenesSource


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path, tmp_path / "store", "sqlite://")


def test_scenes_lie_in_the_store(home):
    source = open_source(SourceSettings(scene_count=60), home)
    assert isinstance(source, ScenesSource)
    assert next(iter(source.captioned_images())).data
    assert list((home.store / "scenes").iterdir())


def test_scenes_take_at_most_so_many_of_each_split(home):
    photographs = open_source(SourceSettings(scene_count=200, max_images=10), home).captioned_images()
    assert [photo.split for photo in photographs] == ["train"] * 10 + ["val"] * 10 + ["test"] * 10


def test_coco_json(home, new_dataset):
    dataset = new_dataset()
    dataset.fill(1)
    assert isinstance(open_source(dataset.settings(), home), CocoJsonSource)


def test_an_unprepared_dataset_says_how_to_prepare_it(home, tmp_path):
    with pytest.raises(SettingsError, match=r"not prepared in .*tfds build coco_captions/2014 --data_dir"):
        open_source(SourceSettings(kind="tfds", data_dir=tmp_path), home)
