from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.snapshot import read_images
from pipeline.data.sources.base import LabelledBox
from pipeline.evaluation.pointing_game import cells_on, pointing_game
from pipeline.imaging.decode import pixels
from pipeline.model.captioner import Networks
from pipeline.model.explanation import Explainer
from pipeline.training.encoder_stage import load_encoder
from pipeline.training.refine import load_decoder


def limited(run, images):
    evaluation = run.settings.evaluation.model_copy(update={"images": images})
    return replace(run, settings=run.settings.model_copy(update={"evaluation": evaluation}))


@pytest.fixture(scope="module")
def truths(tiny_run):
    """What people wrote: it names every object."""
    return {image: captions[0] for image, captions in tiny_run.accepted.references("test").items()}


def test_a_cell_is_on_an_object_when_its_centre_is():
    target = cells_on(LabelledBox("red circle", 24, 7, 32, 17), 112, 112, 7)
    assert np.argwhere(target).tolist() == [[0, 1], [0, 2]]  # centres at 8, 24 and 40; that at 56 is past the edge


def test_boxes_are_in_the_images_own_pixels():
    target = cells_on(LabelledBox("dog", 300, 0, 100, 50), 400, 100, 4)
    assert np.argwhere(target).tolist() == [[0, 3], [1, 3]]


@given(st.integers(0, 80), st.integers(0, 80), st.integers(16, 32))
def test_every_object_as_large_as_a_cell_can_be_hit(left, top, size):
    target = cells_on(LabelledBox("red circle", left, top, size, size), 112, 112, 7)
    rows, columns = np.nonzero(target)
    assert 1 <= len(rows) <= 9
    centres = np.stack([columns, rows]) * 16 + 8
    assert (centres >= [[left], [top]]).all()
    assert (centres < [[left + size], [top + size]]).all()


def test_true_mentions_are_played_and_lies_are_not(tiny_run, truths):
    objects = tiny_run.accepted.boxes("test")
    actual = pointing_game(tiny_run, truths)
    assert (actual["images"], actual["mentions"]) == (len(truths), sum(map(len, objects.values())))
    shares = [cells_on(box, 112, 112, 7).mean() for boxes in objects.values() for box in boxes]
    assert actual["chance"] == pytest.approx(np.mean(shares))
    lies = dict.fromkeys(truths, "a red zebra and a circle")
    assert pointing_game(tiny_run, lies) == {
        "images": len(truths),
        "mentions": 0,
        "attention": None,
        "occlusion": None,
        "chance": None,
    }


def test_a_hit_is_the_peak_of_the_named_words_maps_on_the_object(tiny_run, truths):
    run = limited(tiny_run, 1)
    row = run.accepted.images_of("test").sort_values("sha256").head(1)
    [(sha, data)] = read_images(run.source, row)
    [image] = row["image"]
    assert sha == row["sha256"].item()
    networks = Networks(load_encoder(run.output("encoder")), *load_decoder(run))
    explained = Explainer(networks).explain(pixels(data, 112, "squash", run.limits), truths[image])
    hits = {"attention": [], "occlusion": []}
    for box in run.accepted.boxes("test")[image]:
        places = [explained.words.index(word) for word in box.label.split()]
        for name, flags in hits.items():
            peak = int(getattr(explained, name)[places].mean(axis=0).argmax())
            y, x = peak // 7 * 16 + 8, peak % 7 * 16 + 8
            flags.append(box.left <= x < box.left + box.width and box.top <= y < box.top + box.height)
    played = pointing_game(run, truths)
    assert played["images"] == 1
    assert {name: played[name] for name in hits} == {name: np.mean(flags) for name, flags in hits.items()}
