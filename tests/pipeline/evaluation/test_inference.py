import numpy as np
import pytest

from pipeline.evaluation.inference import (
    Predictor,
    cider_d_of,
    confidences,
    load_confidence,
    predict_clean,
    predict_degraded,
    sample,
)
from pipeline.metrics.scores import score_captions
from pipeline.training.features import FeatureStore


@pytest.fixture(scope="module")
def predictor(tiny_run):
    return Predictor(tiny_run, load_confidence(tiny_run).pooled_embeddings)


def test_of_many_images_those_with_the_lowest_digests_are_degraded(tiny_run, limited):
    every = sorted(tiny_run.accepted.images_of("test")["sha256"])
    assert list(sample(tiny_run, "test")["sha256"]) == every
    assert list(sample(limited(tiny_run, 5), "test")["sha256"]) == every[:5]


def test_a_caption_read_again_has_the_evidence_it_was_written_with(tiny_run, predictor, lines):
    images = tiny_run.accepted.images_of("test")
    predictions = predict_clean(tiny_run, predictor, images)
    assert predictions.captions == [line["caption"] for line in lines]
    assert predictions.evidence[:, 0] == pytest.approx([line["score"] for line in lines], abs=1e-4)
    features = FeatureStore.of(tiny_run).gather(list(images["sha256"]))
    assert predictor.evidence_for(features, predictions.captions) == pytest.approx(predictions.evidence, abs=1e-4)
    captions = dict(zip(images["image"], predictions.captions, strict=True))
    estimates = load_confidence(tiny_run).estimate(predictions.evidence)
    assert confidences(tiny_run, "test", captions) == pytest.approx(list(estimates), rel=1e-3)


def test_the_same_images_stand_in_every_row_and_only_their_pixels_differ(tiny_run, predictor):
    images = sample(tiny_run, "val")
    clean = predict_clean(tiny_run, predictor, images)
    degraded = predict_degraded(tiny_run, predictor, images, ["blank", "blur"])
    assert {kind: len(predictions.captions) for kind, predictions in degraded.items()} == {"blank": 12, "blur": 12}
    assert not np.allclose(degraded["blur"].evidence, clean.evidence)
    assert len({tuple(row) for row in degraded["blank"].evidence.round(4)}) <= 12
    again = predict_degraded(tiny_run, predictor, images.iloc[:3], ["blur"])["blur"]
    assert again.captions == degraded["blur"].captions[:3]
    assert again.evidence == pytest.approx(degraded["blur"].evidence[:3], rel=1e-3, abs=1e-3)


def test_cider_d_of_some_is_what_they_score_among_all(tiny_run):
    references = tiny_run.accepted.references("test")
    captions = {image: texts[0] for image, texts in references.items()}
    every = score_captions(references, captions, meteor=False).per_image
    some = list(references)[3:6]
    scores = cider_d_of(references, some, [captions[image] for image in some])
    assert scores == pytest.approx([every[image]["cider_d"] for image in some])
