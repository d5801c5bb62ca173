import pickle
import zipfile

import h5py
import numpy as np
import pytest

from pipeline.core.errors import BundleRejected
from pipeline.model.bundle_safety import check_content, check_name

REQUIRED = frozenset({"decoder.weights.h5", "model_card.md"})


@pytest.mark.parametrize("name", ["decoder.weights.h5", "model_card.md", "golden/0.png", "golden/12.png"])
def test_what_bundles_have_is_let_in(name):
    check_name(name, REQUIRED)


@pytest.mark.parametrize(
    "name",
    [
        "model.pkl",
        "weights.npy",
        "code/run.py",
        "golden/0.png.py",
        "golden/x.png",
        "golden/0.svg",
        "lib.so",
        "golden/../0.png",
    ],
)
def test_any_other_name_is_refused(name):
    with pytest.raises(BundleRejected, match="is listed, but it is no file of a bundle"):
        check_name(name, REQUIRED)


def refusal(path):
    with pytest.raises(BundleRejected) as caught:
        check_content(path.name, path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def weights(tmp_path):
    """A file as Keras writes it, open to be spoilt."""
    with h5py.File(tmp_path / "decoder.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.ones((3, 4), np.float32)
        file["layers/dense/vars/1"] = np.arange(3)
        file["layers/dense/vars"].attrs["name"] = "dense"
        file["seed/vars/0"] = np.zeros((0,), np.uint32)
    return tmp_path / "decoder.weights.h5"


def test_weights_are_let_in(weights):
    check_content(weights.name, weights)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (pickle.dumps({"weights": [1.0]}), "a pickle"),
        (b"\x7fELF\2\1", "a program"),
        (b"#!/bin/sh\n", "a script"),
        (b"", "HDF"),
    ],
)
def test_other_bytes_named_weights_are_refused(weights, data, says):
    weights.write_bytes(data)
    assert says in refusal(weights)


def test_an_archive_named_weights_is_refused(weights):
    with zipfile.ZipFile(weights, "w") as archive:
        archive.writestr("config.json", "{}")
    assert "whole Keras model" in refusal(weights)


def outside(file, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["secret"] = np.ones(3)
    file["layers/stolen"] = h5py.ExternalLink(str(folder / "other.h5"), "secret")


def elsewhere(file, folder):
    (folder / "raw").write_bytes(bytes(24))
    file.create_dataset("stolen", (3,), "float64", external=[(str(folder / "raw"), 0, 24)])


def virtual(file, folder):
    outside(file, folder)
    del file["layers/stolen"]
    layout = h5py.VirtualLayout((3,), "float64")
    layout[:] = h5py.VirtualSource(folder / "other.h5", "secret", (3,))
    file.create_virtual_dataset("stolen", layout)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (outside, "stolen in layers is a link to elsewhere"),
        (lambda file, folder: file.update({"alias": h5py.SoftLink("/layers")}), "alias in / is a link"),
        (elsewhere, "stolen does not lie in the file"),
        (virtual, "stolen does not lie in the file"),
        (
            lambda file, folder: file.create_dataset("bomb", (10**6, 10**6), "float32", chunks=(10, 10)),
            "bomb does not lie",
        ),
        (lambda file, folder: file.create_dataset("words", data=["import os"]), "words holds object"),
        (lambda file, folder: file.attrs.update({"model_config": "{}"}), "/ has model_config"),
        (lambda file, folder: file.update({"kind": np.dtype("float32")}), "kind is a stored datatype"),
    ],
)
def test_a_file_of_weights_that_holds_more_is_refused(weights, tmp_path, spoil, says):
    with h5py.File(weights, "a") as file:
        spoil(file, tmp_path)
    assert says in refusal(weights)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("reference.json", b"{"),
        ("reference.json", b"[" * 100_000),
        ("reference.json", b"\x80\x04}."),
        ("model_card.md", b"\xff\xfe"),
        ("vocabulary.txt", b"a\0b"),
        ("0.png", b"<svg onload=alert(1)>"),
        ("0.png", b"GIF89a"),
    ],
)
def test_other_files_hold_what_they_are_named_after(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    refusal(tmp_path / name)
