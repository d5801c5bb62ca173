from pathlib import Path

import pytest

from benchmarks import ablation
from benchmarks.neighbours import _most_agreeing
from pipeline.core.settings import read_yaml
from pipeline.metrics.cider import DocumentFrequencies

ROWS = read_yaml(Path(ablation.__file__).with_suffix(".yaml"))
CONFIG = {
    "preset": "flickr8k",
    "encoder": {"weights": "resnet50.h5"},
    "source": {"images": "images", "train_annotations": "train.json", "test_annotations": "test.json"},
}


@pytest.mark.parametrize("name", ROWS)
def test_every_row_trains_on_the_configured_data_with_the_same_network(name):
    settings = ablation.settings_of(CONFIG, ROWS[name], seed=4)
    assert settings.training.seed == 4
    assert (settings.source.kind, str(settings.source.train_annotations)) == ("coco_json", "train.json")
    assert (settings.encoder.name, settings.encoder.weights) == ("resnet50", "resnet50.h5")
    assert settings.encoder.side in (224, 320)


def test_no_two_rows_are_the_same_training():
    rows = {name: row for name, row in ROWS.items() if "baseline" not in row}
    trained = {name: ablation.settings_of(CONFIG, row, seed=1).model_dump_json() for name, row in rows.items()}
    assert len(set(trained.values())) == len(trained)


def test_the_tutorial_is_given_nothing_that_its_rows_are_measured_against():
    settings = ablation.settings_of(CONFIG, ROWS["tutorial, mended"], seed=1)
    decoder, training = settings.decoder, settings.training
    assert (decoder.fusion, decoder.gate, decoder.tied, decoder.positions) == ("late", False, False, False)
    assert (decoder.standardised, training.decay, training.clip_norm) == (False, False, None)
    assert settings.self_critical.epochs == 0


def test_the_consensus_is_the_caption_most_like_the_others():
    captions = ["a red dog runs", "a cat", "a red dog runs fast", "a red dog sits", "two birds"]
    tokens = [caption.split() for caption in captions]
    frequencies = DocumentFrequencies.of([[row] for row in tokens])
    assert _most_agreeing([frequencies.vector(row) for row in tokens]) == 0
