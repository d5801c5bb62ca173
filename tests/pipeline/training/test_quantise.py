"""An encoder in 8 bits, made and used; skipped where the extra `int8` is not installed."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected, SettingsError
from pipeline.core.subprocesses import module_environment
from pipeline.model.bundle import FORMAT, INT8_ENGINE, SETTINGS, read_bundle, seal
from pipeline.model.int8_encoder import INT8_GRAPH, INT8_NUMBERS, Int8Encoder, check_graph
from pipeline.storage.files import read_json, write_json
from pipeline.training.quantise import quantise
from tests.fixtures.stored_bundles import unpack
from tests.loading import load_captioner

BATCH = 16
CAPTIONS = """
import json, sys
import numpy as np
from pathlib import Path
from pipeline.core.environment import Home
from tests.loading import load_captioner
captioner, pixels = load_captioner(Home(Path(sys.argv[1]), Path(sys.argv[1]), ""), sys.argv[1]), np.load(sys.argv[2])
np.save(sys.argv[3], captioner.networks.encoder.predict_on_batch(pixels))
print(json.dumps([[each.text, each.score] for each in captioner.caption(pixels)]))
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle of today's format whose encoder computes in 8 bits."""
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    folder = unpack(FORMAT, tmp_path_factory.mktemp("int8") / "bundle")
    quantise(captioner_of(folder).networks.encoder, images(), folder)
    write_json(folder / SETTINGS, read_json(folder / SETTINGS) | {"engine": INT8_ENGINE})
    seal(folder)
    return folder


def captioner_of(folder):
    return load_captioner(Home(folder.parent, folder.parent / "store", ""), str(folder))


def images(seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (BATCH, 8, 8, 3), np.uint8)
    return coarse.repeat(14, axis=1).repeat(14, axis=2)


def cosines(one, other):
    products = (one * other).sum(axis=(1, 2))
    return products / np.linalg.norm(one, axis=(1, 2)) / np.linalg.norm(other, axis=(1, 2))


def test_eight_bits_see_nearly_what_floats_see(bundle):
    whole = unpack(FORMAT, bundle.parent / "float")
    float_features = np.asarray(captioner_of(whole).networks.encoder(images(1)))
    encoder = Int8Encoder(bundle / INT8_GRAPH, "scenes", BATCH)
    features = encoder.predict_on_batch(images(1))
    assert features.dtype == np.float32
    assert features.shape == float_features.shape
    assert cosines(features, float_features).min() > 0.98
    assert (encoder.facts.side, encoder.facts.positions, encoder.facts.channels) == (112, 49, 128)
    check_graph(bundle / INT8_GRAPH)


def test_several_threads_may_ask_at_once(bundle):
    """As in MLflow's server of a model."""
    encoder, pixels = Int8Encoder(bundle / INT8_GRAPH, "scenes", BATCH), images(3)
    expected = encoder.predict_on_batch(pixels)
    with ThreadPoolExecutor(4) as pool:
        for features in pool.map(encoder.predict_on_batch, [pixels] * 40):
            assert np.array_equal(features, expected)


def test_a_bundle_captions_with_the_engine_it_names_whatever_stands_beside_an_image(bundle):
    captioner = captioner_of(bundle)
    assert captioner.engine == INT8_ENGINE
    alone = [captioner.caption(image[None])[0] for image in images(2)[:3]]
    assert captioner.caption(images(2))[:3] == alone
    assert all(item.text for item in alone)


def test_a_processor_with_less_sees_and_says_the_same(bundle, tmp_path):
    np.save(tmp_path / "pixels.npy", images(3))
    seen, said = [], []
    for isa in ("AVX2", "DEFAULT"):
        files = [bundle, tmp_path / "pixels.npy", tmp_path / f"{isa}.npy"]
        environment = module_environment(ONEDNN_MAX_CPU_ISA=isa)
        command = [sys.executable, "-c", CAPTIONS, *map(str, files)]
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        seen.append(np.load(files[-1]))
        said.append(json.loads(done.stdout.splitlines()[-1]))
    # Sums of whole numbers are exact; only where a float is rounded to one may the last step differ.
    assert cosines(*seen).min() > 0.9999
    assert [text for text, _ in said[0]] == [text for text, _ in said[1]]
    assert [score for _, score in said[0]] == pytest.approx([score for _, score in said[1]], abs=0.001)


@pytest.mark.parametrize("change", ["graph gone", "numbers gone", "engine", "no graph", "another side"])
def test_files_that_do_not_fit_each_other_are_refused(bundle, tmp_path, change):
    import shutil

    copy = shutil.copytree(bundle, tmp_path / "copy")
    settings = read_json(copy / SETTINGS)
    if change == "graph gone":
        (copy / INT8_GRAPH).unlink()
    elif change == "numbers gone":
        (copy / INT8_NUMBERS).unlink()
    elif change == "engine":
        write_json(copy / SETTINGS, settings | {"engine": "tensorflow-float32"})
    elif change == "no graph":
        (copy / INT8_GRAPH).write_text((copy / INT8_GRAPH).read_text().replace("opset1", "extension", 1))
    else:
        write_json(copy / SETTINGS, settings | {"pixels": settings["pixels"] | {"side": 128}})
    seal(copy)
    with pytest.raises(BundleRejected):
        captioner_of(copy)


def test_layers_may_stay_float(bundle, tmp_path, capsys):
    encoder = captioner_of(unpack(FORMAT, tmp_path / "float")).networks.encoder
    whole = (bundle / INT8_GRAPH).read_text().count('type="FakeQuantize"')
    quantise(encoder, images(), tmp_path, "convolution_[01]")
    assert 0 < (tmp_path / INT8_GRAPH).read_text().count('type="FakeQuantize"') < whole
    assert capsys.readouterr().out == ""  # which is for results
    with pytest.raises(SettingsError, match=r"encoder\.float_layers='none like it'"):
        quantise(encoder, images(), tmp_path, "none like it")


def test_a_sealed_bundle_is_read_with_its_engine(bundle):
    assert json.loads((bundle / SETTINGS).read_text())["engine"] == read_bundle(bundle).settings.engine == INT8_ENGINE
