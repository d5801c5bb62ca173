from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.errors import SettingsError
from pipeline.evaluation.inference import Predictor, cider_d_of, load_confidence, predict_clean, sample
from pipeline.release.int8_cost import int8_cost, require_tolerable
from pipeline.training.encoder_stage import load_encoder, provide_encoder


def test_the_cost_is_of_the_same_decoder_on_the_same_validation_images(tiny_run):
    pytest.importorskip("nncf")
    encoder = tiny_run.settings.encoder.model_copy(update={"engine": "int8"})
    run = replace(tiny_run, settings=tiny_run.settings.model_copy(update={"encoder": encoder}))
    output = provide_encoder(run)
    cost = int8_cost(run.after(output), load_encoder(output))
    images = sample(tiny_run, "val")
    assert cost["images"] == len(images)
    assert cost["lost"] == pytest.approx(cost["float"] - cost["int8"])
    assert cost["lost_at_least"] <= cost["lost"]
    predictor = Predictor(tiny_run, load_confidence(tiny_run).pooled_embeddings)
    captions = predict_clean(tiny_run, predictor, images).captions
    expected = cider_d_of(tiny_run.accepted.references("val"), list(images["image"]), captions)
    assert cost["float"] == pytest.approx(np.mean(expected), abs=1e-6)


def test_a_cost_above_the_tolerance_is_refused_with_its_number():
    cost = {"float": 0.62, "int8": 0.61, "lost": 0.01, "lost_at_least": 0.007, "images": 500}
    require_tolerable(cost, 0.007)
    require_tolerable(cost | {"lost_at_least": -0.007}, 0.005)  # perhaps by chance
    with pytest.raises(
        SettingsError, match=r"loses 0\.0100 CIDEr-D on 500 .*0\.0070.*int8_tolerance=0\.005.*float_layers"
    ):
        require_tolerable(cost, 0.005)
