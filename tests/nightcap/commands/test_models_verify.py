"""`nightcap models verify`: a registered version gives its golden captions again, or is refused."""

import pytest

from pipeline.model.bundle import DECODER, GOLDEN, seal
from pipeline.model.golden import CAPTIONS
from pipeline.registry.versions import DIGEST_TAG, Registry
from pipeline.storage.files import read_json, write_json
from tests.registered_bundle import register_stored, stored_model


@pytest.fixture
def home(tmp_path, monkeypatch):
    home = register_stored(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", home.tracking_uri)
    return home


@pytest.fixture
def bundle(home):
    return stored_model(home) / "artifacts" / "bundle"


def test_golden_captions_are_reproduced_and_then_not(run, home, bundle):
    """The captions, the list of files and the registry's tag all fit together: only captioning finds it out."""
    captions = read_json(bundle / GOLDEN / CAPTIONS)
    done = run("models", "verify", "1")
    assert done.code == 0, done.err
    assert done.out.startswith(f"captioner version 1: {len(captions)} golden captions reproduced; loaded in ")
    name = sorted(captions)[0]
    captions[name]["caption"] = "a zebra"
    write_json(bundle / GOLDEN / CAPTIONS, captions)
    Registry(home).tag("captioner", "1", {DIGEST_TAG: seal(bundle)})
    assert run("models", "verify", "1").refused(1, "models:/captioner/1", f"golden image {name} must give 'a zebra'")


def test_an_altered_version_is_refused(run, home, bundle):
    data = bytearray((bundle / DECODER).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / DECODER).write_bytes(data)
    assert run("models", "verify", "1").refused(1, "models:/captioner/1", f"{DECODER} was altered")


def test_a_version_that_is_not_there(run, home):
    assert run("models", "verify", "7").refused(2, "no model at models:/captioner/7", "captioner/1")
