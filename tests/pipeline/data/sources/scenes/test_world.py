import math
from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.sources.base import SPLITS
from pipeline.data.sources.scenes.world import COLOURS, PLACES, SHAPES, SIZES, TEXTURES, is_unseen, sample_scene
from tests.pipeline.data.sources.scenes.sampled import (
    scenes_of,
    triples,
)


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
