from dataclasses import replace

import numpy as np
import pytest

from pipeline.data.sources.scenes.drawing import draw_scene, encode
from pipeline.data.sources.scenes.world import COLOURS, TEXTURES
from tests.pipeline.data.sources.scenes.sampled import (
    inside,
    near,
    scenes_of,
    within,
)


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
