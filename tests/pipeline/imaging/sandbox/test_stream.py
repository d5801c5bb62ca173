"""Many images through a few decoders."""

import numpy as np
import psutil
import pytest

from pipeline.core.errors import BadImage, ObjectUnavailable
from pipeline.imaging.averages import averages
from pipeline.imaging.decode import ImageLimits, open_image, pixels, thumbnail
from pipeline.imaging.sandbox import Work, decode_each, pixels_of_each, thumbnail_of_each
from pipeline.imaging.sandbox.stream import PROCESSES
from tests.conftest import command_of
from tests.pipeline.imaging.image_bytes import encoded, photograph

LIMITS = ImageLimits()
WORK = Work(LIMITS, 32, "crop")
PHOTOS = [encoded(photograph(60 + place, 40), kind) for place, kind in enumerate(["JPEG", "PNG", "JPEG", "WEBP"] * 3)]


def processes():
    return sum("sandbox.worker" in command_of(child) for child in psutil.Process().children())


def test_order_keys_and_pixels_are_kept_and_a_bad_image_has_its_place():
    images = list(enumerate([*PHOTOS, b"<html>", *PHOTOS]))
    before = processes()
    results = dict(decode_each(images, WORK))
    assert list(results) == [key for key, _ in images]
    assert results.pop(len(PHOTOS)).reason == "not_an_image"
    for key, data in images:
        if key in results:
            np.testing.assert_array_equal(results[key].pixels, pixels(data, 32, "crop", LIMITS))
    assert processes() == before


def test_averages_are_of_the_whole_image():
    data = encoded(photograph(900, 700), "JPEG")  # so large that a model's square would not need all of it
    ((_, result),) = decode_each([("a", data)], Work.within(LIMITS, 32, "averages"))
    np.testing.assert_array_equal(result.pixels, averages(open_image(data, LIMITS).image))
    assert (result.width, result.height) == (900, 700)


def test_few_images_are_in_memory_and_few_processes_run():
    taken = []

    def images():
        for place in range(100):
            taken.append(place)
            yield place, PHOTOS[0]

    before = processes()
    stream = decode_each(images(), WORK)
    next(stream)
    assert len(taken) < 20
    assert processes() - before <= PROCESSES
    stream.close()
    assert processes() == before


def test_an_image_that_kills_decoders_costs_itself(holes):
    images = [("good", PHOTOS[0]), ("bad", PHOTOS[0] + b"#crash"), ("next", PHOTOS[1])]
    results = dict(decode_each(images, WORK))
    assert results["bad"].reason == "decoder_crashed"
    assert results["good"].width == 60
    assert results["next"].width == 61


def test_where_all_are_needed_the_message_names_the_image():
    with pytest.raises(BadImage, match="SHA-256 abc: no image") as caught:
        list(pixels_of_each([("abc", b"<html>")], WORK))
    assert caught.value.reason == "not_an_image"


def test_where_all_are_needed_what_may_pass_is_tried_again_later(holes):
    with pytest.raises(ObjectUnavailable, match="SHA-256 bad: the decoder died"):
        list(pixels_of_each([("bad", PHOTOS[0] + b"#crash")], WORK))


def test_what_was_read_before_an_error_comes_before_it():
    def images():
        yield from enumerate(PHOTOS[:3])
        raise LookupError("the source is gone")

    stream = decode_each(images(), WORK)
    assert [next(stream)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(LookupError):
        next(stream)


def test_thumbnails_are_those_of_the_library():
    data = PHOTOS[0], encoded(photograph(900, 700), "PNG")
    made = dict(thumbnail_of_each(zip("ab", data, strict=True), LIMITS, 100))
    assert made == {sha: thumbnail(open_image(each, LIMITS).image, 100) for sha, each in zip("ab", data, strict=True)}
