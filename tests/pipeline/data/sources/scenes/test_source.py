from collections import Counter

import pytest

from pipeline.core.settings import SourceSettings
from pipeline.data.sources.base import Source
from pipeline.data.sources.scenes import ScenesSource
from pipeline.data.sources.scenes.truth import named_pairs
from pipeline.imaging.decode import ImageLimits, decode
from tests.pipeline.data.sources.scenes.sampled import COUNT


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    settings = SourceSettings(scene_count=COUNT, scene_side=112, scene_seed=3)
    return ScenesSource(settings, tmp_path_factory.mktemp("source"))


class TestScenesSource:
    def test_yields_every_image_with_captions_and_objects(self, source):
        checked: Source = source
        photographs = list(checked.captioned_images())
        assert Counter(photograph.split for photograph in photographs) == {"train": 320, "val": 40, "test": 40}
        assert len({photograph.image for photograph in photographs}) == COUNT
        for photograph in photographs:
            assert len(set(photograph.captions)) == 5
            labels = sorted(item.label for item in photograph.objects)
            assert sorted(" ".join(pair) for pair in named_pairs(photograph.captions[0])) == labels

    def test_reads_what_it_yielded(self, source):
        photographs = list(source.captioned_images())[:5]
        read = dict(source.read([photograph.uri for photograph in photographs]))
        assert read == {photograph.uri: photograph.data for photograph in photographs}
        assert decode(photographs[0].data, ImageLimits()).size == (112, 112)

    def test_an_unreadable_image_is_none(self, source):
        assert list(source.read(["images/none.png"])) == [("images/none.png", None)]

    def test_fingerprint_changes_with_every_setting(self, tmp_path):
        settings = [SourceSettings(), *(SourceSettings(**{f"scene_{name}": 101}) for name in ("count", "side", "seed"))]
        assert len({ScenesSource(one, tmp_path).fingerprint() for one in settings}) == 4
        assert not list(tmp_path.iterdir()), "a fingerprint draws nothing"

    def test_draws_once(self, source):
        drawn = source.dataset().stat().st_mtime_ns
        list(source.captioned_images())
        assert source.dataset().stat().st_mtime_ns == drawn
