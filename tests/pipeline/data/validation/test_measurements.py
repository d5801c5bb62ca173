import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.validation.measurements import caption_facts, measure_images
from pipeline.data.validation.perceptual_hash import perceptual_hash
from pipeline.imaging.averages import averages
from pipeline.imaging.decode import ImageLimits, open_image
from pipeline.storage.files import sha256
from tests.pipeline.imaging.image_bytes import encoded, photograph


def facts_of(*captions):
    return caption_facts(pd.DataFrame({"image": "a", "position": range(len(captions)), "caption": captions}))


@given(st.lists(st.text(), min_size=1, max_size=6))
def test_caption_facts_measure_any_text(texts):
    facts = facts_of(*texts)
    assert list(facts["characters"]) == [len(text) for text in texts]
    assert (facts["words"] <= facts["characters"]).all()


@given(st.text(" .,!?-_'\"\n\t…—«»。、¿👍"))
def test_signs_alone_are_no_words(text):
    assert facts_of(text)["words"].item() == 0


@given(st.lists(st.sampled_from(["a", "l'homme", "3", "दौड़ता", "собака,", "(été)", "x-y_z"])))
def test_words_are_told_apart_by_spaces(words):
    assert facts_of("  ".join(words))["words"].item() == len(words)


@pytest.mark.parametrize("text", ["." * 10**6, "<a" * 500_000, "_." * 500_000, "&a" * 500_000, "ไ" * 10**6])
def test_hostile_captions_take_no_time(text):
    start = time.process_time()
    facts_of(text)
    assert time.process_time() - start < 2


class Files:
    """A source of images by name."""

    def __init__(self, **files):
        self.files = files

    def read(self, uris):
        return ((uri, self.files[uri]) for uri in uris)

    def images(self):
        digests = {name: sha256(data) for name, data in self.files.items()}
        return pd.DataFrame({"image": digests.keys(), "uri": digests.keys(), "sha256": digests.values()})


def measured(source):
    return measure_images(source.images(), source, ImageLimits())


def test_images_are_measured_as_if_decoded_here(request):
    files = {"a": encoded(photograph(1200, 900), "JPEG"), "b": encoded(photograph(64, 64)), "c": b"<html>"}
    opened = {name: open_image(files[name], ImageLimits()) for name in "ab"}
    request.getfixturevalue("no_decoding_here")
    measurements = measured(Files(**files))
    assert measurements.facts.values.tolist() == [["", 1200, 900], ["", 64, 64], ["not_an_image", 0, 0]]
    for row, image in enumerate(opened.values()):
        expected = perceptual_hash(averages(image.image), image.width, image.height)
        assert measurements.hashes.hashes[row] == expected.hash
        np.testing.assert_array_equal(measurements.hashes.greys[row], expected.grey)
        np.testing.assert_array_equal(measurements.hashes.statistics[row], expected.statistics)


def test_an_image_that_kills_the_decoder_is_quarantined(holes):
    photo = encoded(photograph(64, 64))
    facts = measured(Files(good=photo, bad=photo + b"#crash")).facts
    assert facts["problem"].tolist() == ["", "decoder_crashed"]
