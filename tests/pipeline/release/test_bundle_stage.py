import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest

from pipeline.core.environment import Home
from pipeline.core.points import points
from pipeline.model.bundle import (
    CARD,
    CONFIDENCE,
    DECODER,
    ENCODER,
    ENGINE,
    GOLDEN,
    INT8_ENGINE,
    REFERENCE,
    VOCABULARY,
    read_bundle,
)
from pipeline.model.golden import reproduce
from pipeline.model.int8_encoder import INT8_GRAPH, INT8_NUMBERS
from pipeline.release.bundle_stage import pack
from pipeline.storage.files import read_json, sha256_file
from pipeline.training.run import TrainingRun
from pipeline.training_pipeline import run_until
from tests.loading import load_captioner


@pytest.fixture(scope="module")
def bundle(tiny_run):
    output = tiny_run.output("bundle")
    return read_bundle(output.path / "bundle", output.figures()["bundle_digest"])


def assert_same_numbers(file, other):
    """Of two weights files; a bundle's says beside them which words it belongs to."""
    found, wanted = numbers(file), numbers(other)
    assert found.keys() == wanted.keys()
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name])


def numbers(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    assert found
    return found


def test_it_holds_what_the_stages_made(bundle, tiny_run):
    settings = tiny_run.settings
    assert bundle.settings.encoder == "scenes"
    assert (bundle.settings.positions, bundle.settings.channels) == (49, 128)
    assert (bundle.settings.pixels.side, bundle.settings.pixels.fit) == (112, settings.encoder.fit)
    assert bundle.settings.decoder == settings.decoder
    assert bundle.settings.decoding == settings.decoding
    for file, stage in ((VOCABULARY, "adapt_vocabulary"), (CONFIDENCE, "calibrate")):
        assert sha256_file(bundle.path / file) == sha256_file(tiny_run.output(stage).path / file)
    assert_same_numbers(bundle.path / DECODER, tiny_run.output("refine").path / DECODER)
    names = {path.relative_to(bundle.path).as_posix() for path in bundle.path.rglob("*") if path.is_file()}
    golden = {f"{GOLDEN}/{name}" for name in ("captions.json", "0.png", "1.png", "2.png")}
    assert names == {ENCODER, DECODER, VOCABULARY, CONFIDENCE, REFERENCE, CARD, "settings.json", "SHA256SUMS", *golden}


def test_packed_elsewhere_from_the_same_parts_it_is_the_same_bundle(bundle, tiny_run, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(tiny_run.home.store, store, ignore=shutil.ignore_patterns("bundle", "mlflow"))
    assert not (store / "stages" / "bundle").exists()
    again = pack(replace(tiny_run, home=Home(tmp_path, store, "")))
    assert again.figures()["bundle_digest"] == bundle.digest


def test_another_engine_is_another_bundle_that_names_and_holds_it(bundle, tiny_run, tmp_path):
    pytest.importorskip("nncf")
    encoder = tiny_run.settings.encoder.model_copy(update={"engine": "int8", "int8_tolerance": 10.0})
    run = TrainingRun(tiny_run.settings.model_copy(update={"encoder": encoder}), tiny_run.home)
    seen = run_until("extract_features", run).done  # by a decoder that was trained on float features
    run = replace(run, done={**tiny_run.done, **seen})
    output = pack(run)
    cost = output.figures()["int8"]
    other = read_bundle(output.path / "bundle", output.figures()["bundle_digest"])
    assert other.digest != bundle.digest
    assert (bundle.settings.engine, other.settings.engine) == (ENGINE, INT8_ENGINE)
    for name in (INT8_GRAPH, INT8_NUMBERS):
        assert sha256_file(other.path / name) == sha256_file(run.output("encoder").path / name)
    assert read_json(other.path / REFERENCE)["engine"] == INT8_ENGINE
    captioner = load_captioner(Home(tmp_path, tmp_path / "store", ""), str(other.path))
    assert captioner.engine == INT8_ENGINE
    assert reproduce(other, captioner) == 3
    card = (other.path / CARD).read_text()
    assert "OpenVINO computes it in 8 bits" in card
    assert f"is {points(cost['int8'])} in 8 bits and {points(cost['float'])} in floats" in card
