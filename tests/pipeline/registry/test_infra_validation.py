import numpy as np
import psutil
import pytest

from pipeline.core.errors import PromotionRefused
from pipeline.core.settings import GateSettings
from pipeline.registry.infra_validation import _peak_bytes, _sample, check_budget


@pytest.mark.parametrize("name", ["seconds_per_image", "memory_gib"])
def test_a_trial_above_a_limit_is_refused_with_the_setting(name):
    budget = GateSettings(max_seconds_per_image=1.5, max_memory_gib=2)
    measured = {"seconds_per_image": 1.5, "memory_gib": 2.0}
    check_budget("models:/captioner/1", measured, budget)
    with pytest.raises(
        PromotionRefused, match=rf"models:/captioner/1 on trial: {name} is 2\.01, above gate\.max_{name}="
    ):
        check_budget("models:/captioner/1", measured | {name: 2.01}, budget)


def test_a_sample_has_any_number_of_images_and_few_twice():
    golden = [np.random.default_rng(n).integers(0, 256, (8, 8, 3), np.uint8) for n in range(3)]
    images = _sample(golden, 11)
    assert images.shape == (11, 8, 8, 3)
    assert len({image.tobytes() for image in images}) >= 10
    assert np.array_equal(images, _sample(golden, 11))


def test_the_peak_of_memory_is_of_this_process():
    before, margin = _peak_bytes(), 100_000_000
    to_peak = before - psutil.Process().memory_info().rss  # what earlier tests held once
    held = np.ones(to_peak + 2 * margin, np.uint8)
    assert _peak_bytes() - before > margin
    del held
