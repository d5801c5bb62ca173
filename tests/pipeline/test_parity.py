"""Training, evaluation and serving see the same pixels and write the same captions."""

import ast
from pathlib import Path

import numpy as np
import pytest

import pipeline
from pipeline.bundle import FORMAT
from pipeline.captioner import load_captioner
from pipeline.features import FeatureStore, _encode
from pipeline.files import sha256
from pipeline.home import Home
from pipeline.images import ImageLimits, pixels
from pipeline.training.captioning import caption_features
from pipeline.views import WHOLE, view_of
from tests.fixtures.stored_bundles import unpack
from tests.odd_pictures import odd_pictures

PICTURES = odd_pictures()
ROOT = Path(pipeline.__file__).parents[1]
MAY_RESIZE = {
    "pipeline/images.py",
    "pipeline/quality.py",  # flags pictures
    "pipeline/validation/looks.py",  # compares pictures
    "pipeline/views.py",  # crops of square pixels, for training alone
    "pipeline/sources/scenes/drawing.py",  # draws pictures
}


@pytest.fixture(scope="module")
def captioner(tmp_path_factory):
    root = tmp_path_factory.mktemp("parity")
    return load_captioner(Home(root, root / "store", ""), str(unpack(FORMAT, root / "bundle")))


@pytest.fixture(scope="module")
def eager(captioner):
    """Pixels as the one function gives them, and captions written word by word without a graph."""
    seen = np.stack([pixels(data, captioner.side, captioner.fit, ImageLimits()) for data in PICTURES.values()])
    features = captioner.networks.encoder(seen)
    tokens, scores = captioner._writer(features)
    texts = [captioner.networks.vocabulary.decode(row[0].tolist()) for row in np.asarray(tokens)]
    return seen, texts, np.asarray(scores)[:, 0]


class Watched:
    """A network that remembers the pixels it was shown, padding among them."""

    def __init__(self, network):
        self.network, self.seen = network, []

    def predict_on_batch(self, batch):
        self.seen.append(np.array(batch))
        return self.network.predict_on_batch(batch)


def test_the_pictures_differ_and_so_do_captions(eager):
    seen, texts, _ = eager
    assert len({picture.tobytes() for picture in seen}) == len(PICTURES)
    assert len(set(texts)) > 1


def test_the_input_pipeline_of_training_sees_and_says_the_same(captioner, eager, tmp_path):
    """Decoded by view, encoded in padded batches, kept as float16 and captioned from there, as evaluation does."""
    seen, texts, scores = eager
    network = Watched(captioner.networks.encoder)
    decoded = [view_of(pixels(data, captioner.side, captioner.fit, ImageLimits()), WHOLE) for data in PICTURES.values()]
    features, shas = FeatureStore(tmp_path), [sha256(data) for data in PICTURES.values()]
    features.add(shas, np.concatenate(list(_encode(network, decoded, 4))))
    np.testing.assert_array_equal(np.concatenate(network.seen)[: len(seen)], seen)
    found = caption_features(captioner._writer, captioner.networks.vocabulary, features, shas)
    assert [caption.text for caption in found] == texts
    assert [caption.score for caption in found] == pytest.approx(scores, abs=2e-3)  # features of half the digits


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

    from pipeline.pyfunc_model import CaptionModel

    seen, texts, scores = eager
    model, network = CaptionModel(), Watched(captioner.networks.encoder)
    model.captioner = captioner
    monkeypatch.setattr(captioner, "_encoder", network)
    found = model.predict(None, pd.DataFrame({"image": list(PICTURES.values())}))
    np.testing.assert_array_equal(np.concatenate(network.seen)[: len(seen)], seen)
    assert list(found["caption"]) == texts
    assert list(found["score"]) == pytest.approx(scores, abs=1e-4)


def test_nothing_but_one_module_makes_pixels_for_a_network():
    """Whoever calls `resize`, of any library, has a reason that is known."""
    callers = {
        path.relative_to(ROOT).as_posix()
        for folder in ("pipeline", "serving", "nightcap")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "resize"
    }
    assert callers == MAY_RESIZE
