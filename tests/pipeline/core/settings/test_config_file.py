import pytest
import yaml

from pipeline.core.errors import SettingsError
from pipeline.core.settings import train_settings
from pipeline.core.settings.config_file import TRAIN_CONFIG, training_config
from pipeline.core.settings.form import training_fields, training_values


def test_the_usual_settings_fill_the_form(tmp_path):
    file = tmp_path / "usual.yaml"
    values = {"preset": "flickr8k", "source": {"images": "/images", "train_annotations": "/train.json"}}
    values["training"] = {"start_from": "models:/captioner@champion", "clip_norm": None}
    values["encoder"] = {"side": None}
    file.write_text(yaml.safe_dump(values))
    assert training_config({TRAIN_CONFIG.name: str(file)}) == values
    form = {field.name: field.default for field in training_fields(values)}
    assert training_values(form) == values
    assert train_settings(training_values(form)) == train_settings(values)
    assert training_config({}) == {}
    assert {field.default for field in training_fields()} == {"scenes", None}


@pytest.mark.parametrize("text", ["training: {epoch: 3}", "- 1", "a: [", None])
def test_usual_settings_that_are_wrong_are_refused(tmp_path, text):
    file = tmp_path / "usual.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match=str(file)):
        training_config({TRAIN_CONFIG.name: str(file)})


def test_paths_in_the_usual_settings_are_relative_to_their_file(tmp_path):
    file = tmp_path / "usual.yaml"
    file.write_text("source: {images: images, train_annotations: /train.json}\nencoder: {weights: imagenet}")
    source = training_config({TRAIN_CONFIG.name: str(file)})["source"]
    assert source == {"images": str(tmp_path / "images"), "train_annotations": "/train.json"}
