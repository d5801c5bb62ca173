import time
from collections import Counter

import pytest

from pipeline.data.sources.base import SPLITS
from pipeline.data.sources.scenes.dataset import draw_inbox, write_scenes
from pipeline.storage.files import read_json
from tests.pipeline.data.sources.scenes.sampled import COUNT, contents


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "dataset"
    write_scenes(folder, COUNT, 112, seed=3)
    return folder


class TestDataset:
    def test_the_same_seed_gives_the_same_files(self, dataset, tmp_path):
        write_scenes(tmp_path / "again", COUNT, 112, seed=3)
        assert contents(tmp_path / "again") == contents(dataset)

    def test_another_seed_gives_other_images(self, dataset, tmp_path):
        write_scenes(tmp_path / "other", 60, 112, seed=4)
        assert not set(contents(tmp_path / "other").values()) & set(contents(dataset).values())

    def test_splits_are_eighty_ten_ten_and_share_no_image(self, dataset):
        names = [
            {entry["file_name"] for entry in read_json(dataset / f"captions_{split}.json")["images"]}
            for split in SPLITS
        ]
        assert [len(part) for part in names] == [320, 40, 40]
        assert set.union(*names) == {path.name for path in (dataset / "images").iterdir()}
        assert len(set(contents(dataset / "images").values())) == COUNT

    def test_annotations_are_in_coco_format(self, dataset):
        for split in SPLITS:
            coco = read_json(dataset / f"captions_{split}.json")
            ids = [entry["id"] for entry in coco["images"]]
            assert Counter(item["image_id"] for item in coco["annotations"]) == dict.fromkeys(ids, 5)
            assert len({item["id"] for item in coco["annotations"]}) == 5 * len(ids)
            assert all((entry["height"], entry["width"]) == (112, 112) for entry in coco["images"])

    def test_a_failed_writing_leaves_nothing(self, tmp_path):
        with pytest.raises(ValueError):
            write_scenes(tmp_path / "dataset", 10, -1, seed=0)
        assert not list(tmp_path.iterdir())

    def test_three_thousand_images_take_seconds(self, tmp_path):
        started = time.process_time()
        write_scenes(tmp_path / "dataset", 300, 112, seed=0)
        assert time.process_time() - started < 1.5


class TestInbox:
    def test_each_seed_brings_fresh_images(self, dataset, tmp_path):
        first, second = (draw_inbox(tmp_path, 20, seed) for seed in (3, 4))
        assert sorted(tmp_path.iterdir()) == sorted(first + second)
        digests = set(contents(tmp_path).values())
        assert len(digests) == 40
        assert not digests & set(contents(dataset).values())

    def test_the_same_seed_brings_the_same(self, tmp_path):
        draw_inbox(tmp_path / "one", 3, 8)
        draw_inbox(tmp_path / "two", 3, 8)
        assert contents(tmp_path / "one") == contents(tmp_path / "two")
