from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from benchmarks.odd_images import png
from pipeline.core.errors import BundleRejected
from pipeline.model.bundle import FORMAT, GOLDEN, read_bundle
from pipeline.model.golden import CAPTIONS, TOLERANCE, golden_images, reproduce
from pipeline.model.interface import Caption
from pipeline.storage.files import read_json, write_json
from tests.fixtures.stored_bundles import unpack


class Parrot:
    """Captions as the bundle says, but for what is changed in the last one."""

    def __init__(self, bundle, **change):
        wanted = read_json(bundle.path / GOLDEN / CAPTIONS)
        self.captions = [Caption(wanted[name]["caption"], wanted[name]["score"]) for name in sorted(wanted)]
        self.captions[-1] = replace(self.captions[-1], **change)

    def caption(self, pixels):
        assert pixels.dtype == np.uint8
        return self.captions


@pytest.fixture
def bundle(tmp_path):
    return read_bundle(unpack(FORMAT, tmp_path / "bundle"))


def test_the_same_captions_and_scores_are_reproduced(bundle):
    assert reproduce(bundle, Parrot(bundle)) == len(golden_images(bundle)) == 3
    score = Parrot(bundle).captions[-1].score
    assert reproduce(bundle, Parrot(bundle, score=score + TOLERANCE / 2)) == 3


def test_golden_images_are_those_of_their_files(bundle):
    for name, pixels in golden_images(bundle).items():
        assert np.array_equal(pixels, np.asarray(Image.open(bundle.path / GOLDEN / name)))


@pytest.mark.usefixtures("no_decoding_here")
@pytest.mark.parametrize("data", [b"", b"<html>", png(9000, 9000)])
def test_golden_images_are_decoded_within_limits(bundle, data):
    """Whoever registers a model may put any file there."""
    (name, *_) = golden_images(bundle)
    (bundle.path / GOLDEN / name).write_bytes(data)
    with pytest.raises(BundleRejected, match="golden image cannot be read"):
        golden_images(bundle)


@pytest.mark.parametrize("change", [{"text": "another"}, {"score": -90.0}])
def test_another_caption_or_score_is_refused(bundle, change):
    with pytest.raises(BundleRejected, match=r"golden image .* must give"):
        reproduce(bundle, Parrot(bundle, **change))


def test_a_bundle_without_golden_images_is_refused(bundle):
    write_json(bundle.path / GOLDEN / CAPTIONS, {})
    with pytest.raises(BundleRejected, match="names no image"):
        reproduce(bundle, Parrot.__new__(Parrot))
