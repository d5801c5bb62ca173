"""The reference that a bundle carries for its nights."""

import numpy as np
import pandas as pd
import pytest

from pipeline.data.snapshot import read_images
from pipeline.imaging.decode import pixels
from pipeline.model.bundle import REFERENCE, read_bundle
from pipeline.model.reference_profile import CAPTION_STATISTICS, IMAGE_STATISTICS, TOP_CAPTION, count, word_count
from pipeline.storage.files import read_json
from tests.loading import load_captioner


@pytest.fixture(scope="module")
def bundle(tiny_run):
    output = tiny_run.output("bundle")
    return read_bundle(output.path / "bundle", output.figures()["bundle_digest"])


def test_the_reference_says_how_test_captions_are_distributed(bundle, tiny_run):
    reference = read_json(bundle.path / REFERENCE)
    rows = pd.read_parquet(tiny_run.output("evaluate").path / "per_image.parquet")
    assert reference["images"] == len(rows) == len(tiny_run.accepted.images_of("test"))
    assert reference["score_quantiles"]["0.5"] == pytest.approx(rows["score"].median())
    scores = list(reference["score_quantiles"].values())
    assert scores == sorted(scores)
    assert 1 <= reference["words_quantiles"]["0.01"] <= reference["words_quantiles"]["0.99"] <= 15
    assert reference["health"]["empty"] == 0


def test_the_reference_counts_validation_images_as_a_night_would(bundle, tiny_run):
    captioner = load_captioner(tiny_run.home, str(bundle.path))
    images = tiny_run.accepted.images_of("val")
    squares = [
        pixels(data, captioner.side, captioner.fit, tiny_run.limits) for _, data in read_images(tiny_run.source, images)
    ]
    captions = captioner.caption(np.stack(squares))
    signs = [
        {"words": word_count(each.text), "score": each.score, "confidence": each.confidence}
        | dict(each.image_statistics)
        for each in captions
    ]
    texts = [each.text for each in captions]
    assert abs(captioner.reference[TOP_CAPTION].counts[-1] - max(map(texts.count, texts))) <= 1, "see below"
    assert captioner.reference[TOP_CAPTION].counts.sum() == len(texts)
    assert set(captioner.reference) - {TOP_CAPTION} == set(signs[0]) == {*CAPTION_STATISTICS, *IMAGE_STATISTICS}
    for name in signs[0]:
        known = captioner.reference[name]
        found = count(known.edges, np.array([each[name] for each in signs]))
        assert np.abs(found - known.counts).sum() <= 2, name  # one may lie on an edge in float16 and not in float32
