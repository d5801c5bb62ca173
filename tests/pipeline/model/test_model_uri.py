import pytest

from pipeline.core.errors import SettingsError
from pipeline.model.model_uri import ModelUri, is_model_uri


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("models:/captioner@champion", ModelUri("captioner", alias="champion")),
        ("models:/captioner/12", ModelUri("captioner", "12")),
        ("models:/a caption-er.2/1", ModelUri("a caption-er.2", "1")),
    ],
)
def test_an_address_is_read_and_written(text, address):
    assert ModelUri.parse(text) == address
    assert str(address) == text
    assert is_model_uri(text)


@pytest.mark.parametrize("text", ["captioner/3", "models:/captioner/3/"])
def test_a_prefix_or_slash_may_be_missing_or_too_many(text):
    assert str(ModelUri.parse(text)) == "models:/captioner/3"


@pytest.mark.parametrize(
    "path", ["", "captioner", "captioner/", "@champion", "captioner@", "a/b@champion", "c/1.5", "c/²"]
)
def test_another_form_is_refused(path):
    with pytest.raises(SettingsError, match="neither models:/name@alias nor models:/name/version"):
        ModelUri.parse(f"models:/{path}")


@pytest.mark.parametrize("text", ["/home/ada/bundle", "bundle", "./models/captioner"])
def test_a_folder_is_no_address(text):
    assert not is_model_uri(text)
