from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.sources.base import SPLITS
from pipeline.data.sources.scenes.truth import named_pairs
from pipeline.data.sources.scenes.wording import FAMILIES, WHERE, relation, write_captions
from pipeline.data.sources.scenes.world import SIZES, TEXTURES, sample_scene
from pipeline.metrics.scores import leave_one_out, score_captions
from tests.pipeline.data.sources.scenes.sampled import mentioned, scenes_of


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
                        assert any(f"{word} {item.label}" in caption for item in mentioned(scene, word))
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
