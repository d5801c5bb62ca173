"""Training, evaluation and serving see the same pixels and write the same captions."""

import ast
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import pipeline
from pipeline.core.environment import Home
from pipeline.core.settings import EncoderSettings, TrainSettings
from pipeline.data.snapshot import SCHEMAS
from pipeline.imaging.decode import ImageLimits, pixels
from pipeline.model.bundle import FORMAT
from pipeline.storage.files import sha256, sha256_file, write_json
from pipeline.training.caption_features import caption_features
from pipeline.training.encoder_stage import ENCODER_WEIGHTS, load_frozen_encoder
from pipeline.training.features import FeatureStore, extract_shard
from pipeline.training.run import TrainingRun
from pipeline.training_pipeline import run_stage
from tests.fixtures.stored_bundles import unpack
from tests.loading import load_captioner
from tests.odd_images import odd_images
from tests.pipeline.conftest import Dataset

IMAGES = odd_images()
ROOT = Path(pipeline.__file__).parents[1]
MAY_RESIZE = {
    "pipeline/imaging/decode.py",
    "pipeline/imaging/quality.py",  # flags images
    "pipeline/imaging/averages.py",  # compares images
    "pipeline/training/augmentation.py",  # crops of square pixels, for training alone
    "pipeline/data/sources/scenes/drawing.py",  # draws images
}


@pytest.fixture(scope="module")
def captioner(tmp_path_factory):
    root = tmp_path_factory.mktemp("parity")
    return load_captioner(Home(root, root / "store", ""), str(unpack(FORMAT, root / "bundle")))


@pytest.fixture(scope="module")
def eager(captioner):
    """Pixels as the one function gives them, and captions written word by word without a graph."""
    seen = np.stack([pixels(data, captioner.side, captioner.fit, ImageLimits()) for data in IMAGES.values()])
    features = captioner.networks.encoder(seen)
    tokens, scores = captioner._generator(features)
    texts = [captioner.networks.vocabulary.decode(row[0].tolist()) for row in np.asarray(tokens)]
    return seen, texts, np.asarray(scores)[:, 0]


class Watched:
    """A network that remembers the pixels it was shown, padding among them."""

    def __init__(self, network):
        self.network, self.seen, self.facts = network, [], network.facts

    def predict_on_batch(self, batch):
        self.seen.append(np.array(batch))
        return self.network.predict_on_batch(batch)


def test_the_images_differ_and_so_do_captions(eager):
    seen, texts, _ = eager
    assert len({image.tobytes() for image in seen}) == len(IMAGES)
    assert len(set(texts)) > 1


@pytest.fixture
def extracted(captioner, tmp_path):
    """The stage that extracts features, of the images fitted in some way, with the captioner's encoder."""
    dataset = Dataset(tmp_path)
    for name, data in IMAGES.items():
        dataset.add(name, data=data)

    def accept(run, folder):
        for name in SCHEMAS:
            shutil.copy(run.output("snapshot").path / f"{name}.parquet", folder)

    def give_encoder(folder):
        captioner.networks.encoder.backbone.save_weights(folder / ENCODER_WEIGHTS)
        digest = sha256_file(folder / ENCODER_WEIGHTS)
        write_json(folder / "encoder.json", {"name": "scenes", "weights": ENCODER_WEIGHTS, "digest": digest})

    def extract(fit):
        encoder = EncoderSettings(name="scenes", fit=fit, batch_size=4, shards=1)
        source = dataset.settings(val_cut=1, test_cut=1)
        run = TrainingRun(TrainSettings(source=source, encoder=encoder), Home(tmp_path, tmp_path / "store", ""))
        run = run_stage("snapshot", run)
        run = run.after(run.store.run("validate", 1, {}, run.inputs("snapshot"), partial(accept, run)))
        run = run.after(run.store.run("encoder", 1, {}, {}, give_encoder))
        assert extract_shard(run, 0)["extracted"] == len(IMAGES)
        return FeatureStore.of(run)

    return extract


def test_the_input_pipeline_of_training_sees_and_says_the_same(captioner, eager, extracted, monkeypatch):
    """Features are encoded in padded batches, kept as float16 and captioned from there, as evaluation does."""
    seen, texts, scores = eager
    networks = []

    def watched(*arguments):
        networks.append(Watched(load_frozen_encoder(*arguments)))
        return networks[-1]

    monkeypatch.setattr("pipeline.training.encoder_stage.load_frozen_encoder", watched)
    features, shas = extracted(captioner.fit), [sha256(data) for data in IMAGES.values()]
    [network] = networks
    assert {image.tobytes() for image in seen} <= {image.tobytes() for batch in network.seen for image in batch}
    found = caption_features(captioner._generator, captioner.networks.vocabulary, features, shas)
    assert [caption.text for caption in found] == texts
    assert [caption.score for caption in found] == pytest.approx(scores, abs=2e-3)  # features of half the digits


@pytest.mark.parametrize("fit", ["squash", "pad", "crop"])
def test_what_training_keeps_is_of_the_pixels_that_serving_sees(captioner, extracted, fit):
    kept = extracted(fit).gather([sha256(data) for data in IMAGES.values()])
    seen = np.stack([pixels(data, captioner.side, fit, ImageLimits()) for data in IMAGES.values()])
    expected = np.asarray(captioner.networks.encoder(seen))
    np.testing.assert_allclose(kept, expected, rtol=2e-3, atol=1e-3 * np.abs(expected).max())


def test_the_bundle_sees_and_says_the_same(captioner, eager, monkeypatch):
    seen, texts, scores = eager
    network = Watched(captioner.networks.encoder)
    monkeypatch.setattr(captioner, "_encoder", network)
    found = captioner.caption(seen)
    np.testing.assert_array_equal(np.concatenate(network.seen)[: len(seen)], seen)
    assert [caption.text for caption in found] == texts
    assert [caption.score for caption in found] == pytest.approx(scores, abs=1e-4)


def test_the_pyfunc_sees_and_says_the_same(captioner, eager, monkeypatch):
    import pandas as pd

    from pipeline.model.pyfunc import CaptionModel

    seen, texts, scores = eager
    model, network = CaptionModel(), Watched(captioner.networks.encoder)
    model.captioner = captioner
    monkeypatch.setattr(captioner, "_encoder", network)
    found = model.predict(None, pd.DataFrame({"image": list(IMAGES.values())}))
    np.testing.assert_array_equal(np.concatenate(network.seen)[: len(seen)], seen)
    assert list(found["caption"]) == texts
    assert list(found["score"]) == pytest.approx(scores, abs=1e-4)


def test_nothing_but_one_module_makes_pixels_for_a_network():
    """Whoever makes an image another size, by any library, has a reason that is known."""
    callers = {
        path.relative_to(ROOT).as_posix()
        for folder in ("pipeline", "serving", "nightcap")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and resizes(node.func)
    }
    assert callers == MAY_RESIZE


def resizes(called):
    """Whether a method by its name, or a function of Pillow's `ImageOps`, makes an image another size."""
    if not isinstance(called, ast.Attribute):
        return False
    return called.attr in {"resize", "thumbnail", "draft", "reduce"} or ast.unparse(called.value).endswith("ImageOps")
