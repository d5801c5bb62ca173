import json

import numpy as np
import pandas as pd
import pytest

from pipeline.data.snapshot import Snapshot
from pipeline.data.validation.perceptual_hash import STATISTICS, PerceptualHashes
from pipeline.data.validation.profile import DRIFTS, full_profile, half_profiles, profile_drift, stored_profile

WORDS = [f"w{place}" for place in range(400)]
MEANS = {"brightness": 0.5, "contrast": 0.5, "saturation": 0.3, "shape": 0.4, "megapixels": 0.2}


def collection(seed, images=200, zipf=1.0, extra=0, prefix="w", **means):
    """A snapshot of random captions, five an image, and the hashes of its images, whose means may be others."""
    random = np.random.default_rng(seed)
    shares = 1 / np.arange(1, len(WORDS) + 1) ** zipf
    words = np.array([word.replace("w", prefix, 1) for word in WORDS])
    rows = [
        (
            f"{seed}-{image}",
            place,
            " ".join(random.choice(words, random.integers(6, 14) + extra, p=shares / shares.sum())),
        )
        for image in range(images)
        for place in range(5)
    ]
    names = [f"{seed}-{image}" for image in range(images)]
    table = pd.DataFrame({"image": names, "sha256": [f"{image:x}" for image in range(images)], "split": "train"})
    centre = [(MEANS | means)[name] for name in STATISTICS]
    statistics = np.clip(random.normal(centre, 0.1, (images, len(STATISTICS))), 0.01, 0.99)
    hashes = PerceptualHashes(
        np.zeros(images, np.uint64), np.zeros((images, 256), np.float32), statistics.astype(np.float32)
    )
    return Snapshot(table, pd.DataFrame(rows, columns=["image", "position", "caption"]), pd.DataFrame()), hashes


def drifts(new, reference):
    return profile_drift(full_profile(*new), half_profiles(*new), stored_profile(full_profile(*reference)))


def test_another_sample_of_the_same_kind_has_not_drifted():
    for seed, images, most in ((1, 50, 0.15), (2, 200, 0.05), (3, 1000, 0.05)):
        drift = drifts(collection(seed, images), collection(9, 1000))
        assert drift.keys() == DRIFTS.keys()
        assert max(drift.values()) < most, (images, drift)


@pytest.mark.parametrize(
    ("change", "drifted"),
    [
        ({"extra": 3}, "length_drift"),
        ({"zipf": 0.3}, "word_drift"),
        ({"prefix": "x"}, "new_words"),
        ({"brightness": 0.8}, "brightness_drift"),
        ({"contrast": 0.8}, "contrast_drift"),
        ({"saturation": 0.6}, "saturation_drift"),
        ({"shape": 0.7}, "shape_drift"),
        ({"megapixels": 0.6}, "megapixels_drift"),
    ],
)
def test_what_changed_is_what_has_drifted(change, drifted):
    drift = drifts(collection(1, 300, **change), collection(2, 1000))
    assert drift[drifted] > 0.2
    others = {name: value for name, value in drift.items() if name not in (drifted, "word_drift")}
    assert max(others.values()) < 0.05


def test_a_profile_names_no_word_of_one_image_alone():
    snapshot, hashes = collection(1, 20)
    snapshot.captions.loc[0, "caption"] = "grandmother Ermintrude Ermintrude Ermintrude"
    assert "ermintrude" not in json.dumps(stored_profile(full_profile(snapshot, hashes)))
