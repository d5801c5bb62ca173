import re

import pytest

from pipeline.core.errors import SettingsError
from pipeline.core.redaction import PATTERN, masked, scrubbed
from pipeline.core.settings import train_settings
from pipeline.core.settings.form import fields_of, training_fields
from serving.runs.settings import NightSettings, night_settings

CANARY = "c4n4ry"
SECRET = [
    f"s3://AKIA{CANARY}:{CANARY}@bucket/images",
    f"https://someone:{CANARY}@example.org/weights.h5",
    f"https://{CANARY}@example.org/x",
    f"https://example.org/x?X-Amz-Signature={CANARY}&a=b",
    f"postgresql://nightcap:{CANARY}@db/mlflow",
    f"/images?token={CANARY}",
]
PLAIN = [
    "/data/images",
    "s3://bucket/a@b/c",
    "models:/captioner@champion",
    "../images of 2026",
    "s3://bucket/what?/is=this",
    "C:/images",
    "CC BY 4.0, see https://example.org/terms",
]


@pytest.mark.parametrize("text", SECRET)
def test_secrets_in_addresses_are_masked(text):
    assert CANARY not in masked(f"cannot read '{text}'; try again")
    assert "try again" in masked(f"cannot read '{text}'; try again")


@pytest.mark.parametrize("text", PLAIN)
def test_other_text_stays_as_it_is(text):
    assert masked(text) == text
    assert re.search(PATTERN, text)


@pytest.mark.parametrize("text", SECRET)
@pytest.mark.parametrize(
    ("group", "name"),
    [("source", "images"), ("source", "terms"), ("encoder", "weights"), ("training", "start_from")],
)
def test_24_training_settings_refuse_secrets_without_repeating_them(group, name, text):
    with pytest.raises(SettingsError, match="holds a name, password or signature") as caught:
        train_settings({group: {name: text}})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("text", SECRET)
@pytest.mark.parametrize("name", ["input", "manifest", "table", "output", "model"])
def test_24_night_settings_refuse_secrets_without_repeating_them(name, text):
    with pytest.raises(SettingsError, match="holds a name, password or signature") as caught:
        night_settings({name: text})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("text", SECRET)
def test_24_forms_refuse_secrets_before_airflow_keeps_them(text):
    fields = {field.name: field for field in (*training_fields(), *fields_of(NightSettings))}
    for name in ("source.images", "source.terms", "encoder.weights", "training.start_from", "input", "output", "model"):
        assert not re.search(fields[name].schema["pattern"], text)


@pytest.mark.parametrize("text", PLAIN)
def test_plain_addresses_are_accepted(text):
    assert night_settings({"input": text}).input == text


def test_secrets_are_taken_out_of_a_text():
    environ = {"AWS_SECRET_ACCESS_KEY": "abcdefgh", "MY_TOKEN": "short", "HOME": "/home/me"}
    text = scrubbed("s3 abcdefgh at https://me:pw@host/x in /home/me, short", environ)
    assert text == "s3 *** at https://***@host/x in /home/me, short"
