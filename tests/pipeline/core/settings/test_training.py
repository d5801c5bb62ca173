import pytest

from pipeline.core.settings import train_settings
from tests.pipeline.core.settings.complaints import complaint


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("training.epochs", 0, "greater than or equal to 1"),
        ("training.epochs", "many", "valid integer"),
        ("training.epochs", 2.5, "valid integer"),
        ("training.learning_rate", 0, "greater than 0"),
        ("training.learning_rate", float("nan"), "finite"),
        ("training.clip_norm", float("inf"), "finite"),
        ("training.seed", 2**32, "less than 4294967296"),
        ("training.seed", -1, "greater than or equal to 0"),
        ("decoder.dropout", 1.0, "less than 1"),
        ("decoder.fusion", "middle", "'late', 'early' or 'hybrid'"),
        ("decoding.method", "guess", "'greedy', 'beam' or 'sample'"),
        ("decoding.beam_width", 21, "less than or equal to 20"),
        ("encoder.name", "vgg16", "'inception_resnet_v2', 'resnet50', 'mobilenet' or 'xception'"),
        ("encoder.weights_sha256", "abc", "[0-9a-f]{64}"),
        ("encoder.engine", "int4", "'tensorflow' or 'int8'"),
        ("encoder.float_layers", "convolution_[", "regular expression"),
        ("encoder.fit", "stretch", "'squash', 'pad' or 'crop'"),
        ("source.kind", "web", "'scenes', 'coco_json' or 'tfds'"),
        ("source.val_cut", float("inf"), "finite"),
        ("source.scene_side", 95, "greater than or equal to 96"),
        ("vocabulary.vocabulary_size", 7, "greater than or equal to 8"),
        ("registry.model_name", "a model/é", "[A-Za-z0-9_-]{1,64}"),
        ("registry.experiment", "", "at least 1 character"),
        ("validation.max_quarantine_share", 1.5, "less than or equal to 1"),
    ],
)
def test_a_wrong_value_is_one_line_with_its_name_the_value_and_what_is_allowed(name, value, allowed):
    group, field = name.split(".")
    message = complaint({group: {field: value}})
    assert message.startswith(f"{name}: ")
    assert repr(value) in message
    assert allowed in message


def test_the_scenes_encoder_takes_images_of_one_side_only():
    assert "encoder.side=224: the scenes encoder takes 112 pixels only" in complaint(
        {"encoder": {"name": "scenes", "side": 224}}
    )


def test_a_shortest_caption_above_the_longest_is_refused():
    message = complaint({"decoding": {"min_words": 30, "max_words": 20}})
    assert message.startswith("decoding: decoding.min_words=30 is above decoding.max_words=20")
    assert "lower the first or raise the second" in message


def test_settings_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        train_settings({}).training.epochs = 3


@pytest.mark.parametrize(
    ("output", "words", "sampled"),
    [
        ("exact", 200_000, False),
        ("sampled", 2501, True),
        ("sampled", 2500, False),
    ],
)
def test_the_output_is_sampled_where_asked_and_where_words_are_left_to_draw(output, words, sampled):
    assert train_settings({"training": {"output": output}}).training.samples_output(words) == sampled
