import math
import time
from collections import Counter
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.settings import SourceSettings
from pipeline.data.sources.base import SPLITS, Source
from pipeline.data.sources.scenes import ScenesSource
from pipeline.data.sources.scenes.dataset import draw_inbox, write_scenes
from pipeline.data.sources.scenes.drawing import draw_scene, encode
from pipeline.data.sources.scenes.truth import named_pairs
from pipeline.data.sources.scenes.wording import FAMILIES, WHERE, relation, write_captions
from pipeline.data.sources.scenes.world import COLOURS, PLACES, SHAPES, SIZES, TEXTURES, is_unseen, sample_scene
from pipeline.imaging.decode import ImageLimits, decode
from pipeline.metrics.scores import leave_one_out, score_captions
from pipeline.storage.files import read_json, sha256_file

COUNT = 400


def scenes_of(split, count, side=112):
    return [sample_scene(np.random.default_rng([9, number]), split, side) for number in range(count)]


def triples(scene):
    return [(item.colour, item.shape, item.place) for item in scene.objects]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "dataset"
    write_scenes(folder, COUNT, 112, seed=3)
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    settings = SourceSettings(scene_count=COUNT, scene_side=112, scene_seed=3)
    return ScenesSource(settings, tmp_path_factory.mktemp("source"))


def contents(folder):
    return {path.relative_to(folder): sha256_file(path) for path in sorted(folder.rglob("*")) if path.is_file()}


class TestWorld:
    def test_is_as_varied_as_promised(self):
        assert len(COLOURS) >= 8
        assert len(SHAPES) >= 6
        assert min(math.dist(*pair) for pair in combinations(COLOURS.values(), 2)) > 80

    def test_each_coloured_shape_is_unseen_at_one_place(self):
        for colour, shape in product(COLOURS, SHAPES):
            assert sum(is_unseen(colour, shape, place) for place in PLACES) == 1

    def test_training_can_show_every_colour_and_every_shape_at_every_place(self):
        for place in PLACES:
            seen = [pair for pair in product(COLOURS, SHAPES) if not is_unseen(*pair, place)]
            assert {colour for colour, _ in seen} == set(COLOURS)
            assert {shape for _, shape in seen} == set(SHAPES)

    def test_training_shows_no_unseen_combination_but_every_pair(self):
        scenes = scenes_of("train", 2400)
        assert not any(is_unseen(*triple) for scene in scenes for triple in triples(scene))
        pairs = Counter((colour, shape) for scene in scenes for colour, shape, _ in triples(scene))
        assert len(pairs) == len(COLOURS) * len(SHAPES)
        assert min(pairs.values()) >= 40

    @pytest.mark.parametrize("split", ["val", "test"])
    def test_half_of_the_other_images_show_one(self, split):
        unseen = [any(is_unseen(*triple) for triple in triples(scene)) for scene in scenes_of(split, 600)]
        assert 0.4 < np.mean(unseen) < 0.65

    @given(st.integers(0, 2**32), st.sampled_from(SPLITS), st.integers(96, 128))
    def test_objects_stay_inside_their_places(self, seed, split, side):
        scene = sample_scene(np.random.default_rng(seed), split, side)
        assert 1 <= len(scene.objects) <= 3
        assert len({item.label for item in scene.objects}) == len(scene.objects)
        assert [item.cell for item in scene.objects] == sorted({item.cell for item in scene.objects})
        for item in scene.objects:
            left, top, width, height = item.box
            row, column = item.cell
            assert column * side / 3 <= left
            assert left + width <= (column + 1) * side / 3
            assert row * side / 3 <= top
            assert top + height <= (row + 1) * side / 3

    def test_sizes_and_textures_all_occur(self):
        objects = [item for scene in scenes_of("train", 200) for item in scene.objects]
        assert {item.size for item in objects} == set(SIZES)
        assert {item.texture for item in objects} == set(TEXTURES)
        widths = {size: [item.box[2] for item in objects if item.size == size] for size in SIZES}
        assert max(widths["small"]) + 4 < min(widths["large"])


class TestDrawing:
    @pytest.mark.parametrize("scene", scenes_of("test", 60), ids=lambda scene: str(scene.background.seed))
    def test_objects_fill_their_boxes_with_their_colour(self, scene):
        pixels = np.asarray(draw_scene(scene)).astype(int)
        changed = (pixels != np.asarray(draw_scene(replace(scene, objects=())))).any(axis=-1)
        for item in scene.objects:
            painted = near(within(pixels, item), COLOURS[item.colour])
            assert painted.mean() > 0.1
            assert changed[inside(item)].any(axis=0).all()
            assert changed[inside(item)].any(axis=1).all()
            changed[inside(item)] = False
        assert not changed.any()

    def test_backgrounds_hold_no_objects_colour(self):
        for scene in scenes_of("test", 60):
            pixels = np.asarray(draw_scene(replace(scene, objects=()))).astype(int)
            assert not any(near(pixels, colour).any() for colour in COLOURS.values())

    @pytest.mark.parametrize("texture", [texture for texture in TEXTURES if texture != "plain"])
    def test_textures_show(self, texture):
        for scene in scenes_of("train", 40):
            objects = [tuple(replace(item, texture=name) for item in scene.objects) for name in (texture, "plain")]
            textured, plain = (np.asarray(draw_scene(replace(scene, objects=each))).astype(int) for each in objects)
            for item in scene.objects:
                shape = near(within(plain, item), COLOURS[item.colour])
                darker = (within(textured, item) < within(plain, item) - 60).any(axis=-1)
                assert 0.15 < darker.sum() / shape.sum() < 0.7

    def test_is_the_same_each_time(self):
        first, second = (encode(draw_scene(scenes_of("val", 3)[2])) for _ in range(2))
        assert first == second


def inside(item):
    left, top, width, height = item.box
    return slice(top, top + height), slice(left, left + width)


def within(pixels, item):
    return pixels[inside(item)]


def near(pixels, colour):
    return np.abs(pixels - np.array(colour)).max(axis=-1) < 16


class TestWording:
    @given(st.integers(0, 2**32), st.sampled_from(SPLITS))
    def test_five_different_captions_each_name_exactly_what_is_there(self, seed, split):
        rng = np.random.default_rng(seed)
        scene = sample_scene(rng, split, 112)
        captions = write_captions(scene, rng)
        assert len(set(captions)) == len(FAMILIES) == 5
        truth = sorted((item.colour, item.shape) for item in scene.objects)
        assert all(sorted(named_pairs(caption)) == truth for caption in captions)

    @given(st.integers(0, 2**32))
    def test_relations_are_true_in_pixels(self, seed):
        scene = sample_scene(np.random.default_rng(seed), "test", 112)
        for first, second in product(scene.objects, repeat=2):
            if first is not second:
                (left, top, width, height), other = first.box, second.box
                apart = {
                    "to the left of": left + width <= other[0],
                    "to the right of": other[0] + other[2] <= left,
                    "above": top + height <= other[1],
                    "below": other[1] + other[3] <= top,
                }
                assert apart[relation(first, second)]

    def test_details_are_true(self):
        for number, scene in enumerate(scenes_of("train", 100)):
            for caption in write_captions(scene, np.random.default_rng(number)):
                for word in (*SIZES, *TEXTURES):
                    if f"{word} " in caption:
                        assert any(f"{word} {item.label}" in caption for item in told(scene, word))
                for place, words in WHERE.items():
                    if caption.endswith(words):
                        assert any(item.place == place for item in scene.objects)

    def test_captions_have_a_good_length(self):
        rng = np.random.default_rng(0)
        lengths = [len(text.split()) for scene in scenes_of("train", 300) for text in write_captions(scene, rng)]
        assert 8 <= np.mean(lengths) <= 14

    def test_captions_agree_with_each_other_and_not_with_other_images(self, monkeypatch):
        monkeypatch.setenv("PATH", "")  # METEOR takes Java some seconds
        rng = np.random.default_rng(0)
        references = {str(number): write_captions(scene, rng) for number, scene in enumerate(scenes_of("test", 300))}
        own = leave_one_out(references)["cider_d"]
        others = {image: texts[1:] for image, texts in references.items()}
        shifted = {str(number): references[str((number + 1) % 300)][0] for number in range(300)}
        assert own > 3
        assert score_captions(others, shifted, meteor=False).scores["cider_d"] < 0.2 * own


def told(scene, word):
    return [item for item in scene.objects if word in (item.size, item.texture)]


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


class TestScenesSource:
    def test_yields_every_image_with_captions_and_objects(self, source):
        checked: Source = source
        photographs = list(checked.photographs())
        assert Counter(photograph.split for photograph in photographs) == {"train": 320, "val": 40, "test": 40}
        assert len({photograph.image for photograph in photographs}) == COUNT
        for photograph in photographs:
            assert len(set(photograph.captions)) == 5
            labels = sorted(item.label for item in photograph.objects)
            assert sorted(" ".join(pair) for pair in named_pairs(photograph.captions[0])) == labels

    def test_reads_what_it_yielded(self, source):
        photographs = list(source.photographs())[:5]
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
        list(source.photographs())
        assert source.dataset().stat().st_mtime_ns == drawn
