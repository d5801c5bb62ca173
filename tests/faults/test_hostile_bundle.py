"""Scenario 23: a bundle that holds code, or is not the one that was registered, is refused wherever it is loaded from."""

import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from deltalake import DeltaTable
from PIL import Image

from pipeline.core.errors import BundleRejected
from pipeline.model.bundle import CONFIDENCE, DECODER, SUMS, VOCABULARY, read_bundle, seal
from pipeline.model.vocabulary import Vocabulary
from pipeline.model.vocabulary_binding import WORDS
from tests.loading import load_captioner
from tests.registered_bundle import register_stored, stored_model

CHECKOUT = Path(__file__).resolve().parents[2]
CHAMPION = "models:/captioner@champion"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return register_stored(tmp_path_factory.mktemp("registered"))


@pytest.fixture
def model(home, tmp_path):
    """The registered version's files in the artifact store, for a test to spoil."""
    folder = stored_model(home)
    shutil.copytree(folder, tmp_path / "as it was")
    yield folder
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "as it was", folder)


@pytest.fixture
def bundle(model):
    return model / "artifacts" / "bundle"


def refusal(home, uri, tmp_path):
    """What someone is told whose cache is empty."""
    with pytest.raises(BundleRejected) as caught:
        load_captioner(replace(home, root=tmp_path / "reader"), uri)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap_words(bundle):
    words = list(Vocabulary.read(bundle / VOCABULARY).words)
    words[4], words[5] = words[5], words[4]
    Vocabulary(tuple(words)).write(bundle / VOCABULARY)


def with_lambda(bundle):
    import keras

    layers = [keras.Input((2,)), keras.layers.Lambda(lambda values: values * 2), keras.layers.Dense(3)]
    keras.Sequential(layers).save(bundle / "whole.h5")
    (bundle / "whole.h5").replace(bundle / DECODER)


def without_binding(bundle):
    with h5py.File(bundle / DECODER, "a") as file:
        del file.attrs[WORDS]


def with_datatype(bundle):
    with h5py.File(bundle / DECODER, "a") as file:
        file["kind"] = np.dtype("float32")


SPOILT = {
    "an unlisted pickle": (
        lambda bundle: (bundle / "model.pkl").write_bytes(pickle.dumps([])),
        "model.pkl is not listed",
    ),
    "a byte of the weights": (lambda bundle: flip(bundle / DECODER), f"{DECODER} was altered"),
    "two words swapped": (swap_words, f"{VOCABULARY} was altered"),
    "a file gone": (lambda bundle: (bundle / CONFIDENCE).unlink(), f"{CONFIDENCE} is missing"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_23_what_is_not_as_it_was_sealed_is_refused_by_digest(home, bundle, tmp_path, how):
    spoil, says = SPOILT[how]
    spoil(bundle)
    assert says in refusal(home, CHAMPION, tmp_path)
    assert says in refusal(home, str(bundle), tmp_path)


HOSTILE = {
    "a listed pickle": (
        lambda bundle: (bundle / "model.pkl").write_bytes(pickle.dumps([])),
        "model.pkl is listed, but",
    ),
    "listed code": (lambda bundle: (bundle / "layers.py").write_text("import os"), "layers.py is listed, but"),
    "a pickle named weights": (
        lambda bundle: (bundle / DECODER).write_bytes(pickle.dumps([])),
        f"{DECODER} .* a pickle",
    ),
    "two words swapped": (swap_words, f"{DECODER} was trained with other words"),
    "words that may be any": (without_binding, f"{DECODER} does not say which words"),
    "weights with a stored datatype": (with_datatype, f"{DECODER} .* kind is a stored datatype"),
    "a model with a Lambda layer": (with_lambda, f"{DECODER} .* as whole models have"),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_23_code_and_other_words_are_refused_even_where_their_digest_is_right(home, bundle, tmp_path, how):
    spoil, says = HOSTILE[how]
    spoil(bundle)
    seal(bundle)
    with pytest.raises(BundleRejected, match=says):
        load_captioner(replace(home, root=tmp_path / "reader"), str(bundle))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_23_what_no_list_can_name_is_refused(home, bundle, tmp_path, make):
    make(bundle / "layers.py")
    assert "layers.py is no file and no folder of files" in refusal(home, str(bundle), tmp_path)


def another_weight(bundle):
    """Change one number of the decoder; the file stays one of weights."""
    with h5py.File(bundle / DECODER, "a") as file:
        numbers = file[next(name for name in names_in(file) if isinstance(file[name], h5py.Dataset))]
        numbers[...] = numbers[...] + 1


def names_in(file):
    names = []
    file.visit(names.append)
    return names


@pytest.mark.parametrize("alter", [another_weight, swap_words])
def test_23_a_file_and_the_list_altered_together_are_refused_by_the_registry_s_tag(home, bundle, tmp_path, alter):
    registered = read_bundle(bundle).digest
    alter(bundle)
    assert seal(bundle) != registered
    assert f"the registry says {registered}" in refusal(home, CHAMPION, tmp_path)


def test_23_the_pyfunc_knows_the_digest_it_was_logged_with(home, bundle):
    import mlflow

    mlflow.set_tracking_uri(home.tracking_uri)
    assert mlflow.pyfunc.load_model(CHAMPION)
    swap_words(bundle)
    seal(bundle)
    with pytest.raises(BundleRejected, match=f"{SUMS} has digest"):
        mlflow.pyfunc.load_model(CHAMPION)


def test_23_a_night_never_runs_code_of_the_artifact_store(home, model, tmp_path):
    import mlflow

    marker = tmp_path / "it ran"
    for path in model.rglob("*.py"):
        path.write_text(f"{path.read_text()}\nopen({str(marker)!r}, 'a').write({path.name!r})\n")
    inbox = tmp_path / "photos"
    inbox.mkdir()
    Image.effect_noise((320, 240), 60).convert("RGB").save(inbox / "1.jpg")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NIGHTCAP", "MLFLOW"))}
    environment |= {"NIGHTCAP_HOME": str(home.root), "PYTHONPATH": str(CHECKOUT)}
    table = tmp_path / "table"
    command = [sys.executable, "-m", "nightcap", "night", "--input", inbox, "--table", table, "--model", CHAMPION]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (row,) = DeltaTable(str(table)).to_pyarrow_table().to_pylist()
    assert (row["status"], row["model_version"]) == ("captioned", "1")
    assert not marker.exists()
    mlflow.set_tracking_uri(home.tracking_uri)
    mlflow.pyfunc.load_model(CHAMPION)  # whoever asks for the pyfunc does run it
    assert marker.read_text() == "pyfunc.py"
