import io
import shutil

import numpy as np
import pytest
from PIL import Image

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected, ModelNotFound, SettingsError
from pipeline.data.snapshot import read_images
from pipeline.evaluation.inference import confidences
from pipeline.imaging.decode import pixels
from pipeline.model.bundle import CONFIDENCE, DECODER, ENCODER, GOLDEN, SETTINGS, VOCABULARY, read_bundle, seal
from pipeline.model.captioner import CAPTION_BATCH
from pipeline.model.vocabulary import Vocabulary
from pipeline.registry.loading import load_pinned, pin
from pipeline.storage.files import read_json, write_json
from tests.loading import load_captioner

CHAMPION = "models:/captioner@champion"


@pytest.fixture(scope="module")
def packed(tiny_run):
    return tiny_run.output("bundle").path / "bundle"


@pytest.fixture(scope="module")
def champion(tiny_run):
    return load_captioner(tiny_run.home, CHAMPION)


@pytest.fixture
def copy(packed, tmp_path):
    return shutil.copytree(packed, tmp_path / "copy")


def golden(bundle):
    captions = read_json(bundle / GOLDEN / "captions.json")
    images = [np.asarray(Image.open(io.BytesIO((bundle / GOLDEN / name).read_bytes()))) for name in captions]
    return np.stack(images), list(captions.values())


def noise(count):
    return np.random.default_rng(5).integers(0, 256, (count, 112, 112, 3), np.uint8)


def refusal(home, folder):
    with pytest.raises(BundleRejected) as caught:
        load_captioner(home, str(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_registered_version_gives_its_golden_captions(champion, packed):
    images, expected = golden(packed)
    assert len(expected) == 3
    actual = champion.caption(images)
    assert [caption.text for caption in actual] == [item["caption"] for item in expected]
    assert [caption.score for caption in actual] == pytest.approx([item["score"] for item in expected], abs=1e-4)
    assert all(caption.text for caption in actual)


def test_a_version_has_its_name_digest_and_engine(champion, packed):
    digest = read_bundle(packed).digest
    assert (champion.name, champion.version, champion.digest) == ("captioner", "1", digest)
    assert (champion.engine, champion.side, champion.fit) == ("tensorflow-float32", 112, "squash")


def test_it_estimates_how_far_to_trust_a_caption_and_which_to_withhold(champion, packed, tiny_run):
    calibrated = read_json(tiny_run.output("calibrate").path / CONFIDENCE)
    assert champion.withhold_below == calibrated["withhold_below"] > 0
    images, _ = golden(packed)
    assert all(caption.confidence > 0 for caption in champion.caption(images))


def test_images_get_the_confidence_they_were_evaluated_with(champion, tiny_run):
    images = tiny_run.accepted.images_of("test")
    given = {}
    for sha, data in read_images(tiny_run.source, images):
        (given[sha],) = champion.caption(pixels(data, champion.side, champion.fit, tiny_run.limits)[None])
    captions = {image: given[sha].text for image, sha in zip(images["image"], images["sha256"], strict=True)}
    estimates = confidences(tiny_run, "test", captions)
    # features that were kept are float16
    assert estimates == pytest.approx([given[sha].confidence for sha in images["sha256"]], rel=0.02)


def test_a_confidence_that_is_not_understood_is_refused(tiny_run, copy):
    write_json(copy / CONFIDENCE, {"format": 9})
    seal(copy)
    assert CONFIDENCE in refusal(tiny_run.home, copy)


def test_a_bare_folder_captions_alike(champion, tiny_run, packed):
    bare = load_captioner(tiny_run.home, str(packed))
    assert (bare.name, bare.version, bare.digest) == ("bundle", "", champion.digest)
    images, _ = golden(packed)
    assert bare.caption(images) == champion.caption(images)


@pytest.mark.parametrize("count", [0, 1, CAPTION_BATCH, CAPTION_BATCH + 1, 2 * CAPTION_BATCH + 3])
def test_any_number_of_images_gets_a_caption_each_whatever_stands_beside_it(champion, count):
    images = noise(2 * CAPTION_BATCH + 3)
    assert champion.caption(images[:count]) == champion.caption(images)[:count]
    assert champion.caption(images[:count][::-1]) == champion.caption(images)[:count][::-1]


def test_another_way_of_choosing_words(tiny_run, packed):
    images, _ = golden(packed)
    wide = load_captioner(tiny_run.home, CHAMPION, {"method": "beam", "beam_width": 5, "max_words": 4})
    for caption in wide.caption(images):
        texts = [caption.text, *caption.alternatives]
        assert len(set(texts)) == len(texts) == 5
        assert all(1 <= len(text.split()) <= 4 for text in texts)
    greedy = load_captioner(tiny_run.home, CHAMPION, {"method": "greedy"})
    assert [caption.alternatives for caption in greedy.caption(images)] == [()] * 3


@pytest.mark.parametrize(
    ("decoding", "says"),
    [({"beam_width": 21}, "beam_width: .*21"), ({"beams": 2}, "unknown setting beams; known here: ")],
)
def test_a_wrong_way_of_choosing_words_is_one_line(tiny_run, decoding, says):
    with pytest.raises(SettingsError, match=says):
        load_captioner(tiny_run.home, CHAMPION, decoding)


def test_a_bundle_that_changed_after_it_was_pinned_is_refused(tiny_run, copy):
    pinned = pin(tiny_run.home, str(copy))
    assert pinned.digest == read_bundle(copy).digest
    (copy / "model_card.md").write_text("another card")
    seal(copy)
    with pytest.raises(BundleRejected, match=pinned.digest):
        load_pinned(tiny_run.home, pinned)


def test_a_cached_copy_that_was_altered_is_fetched_anew(tiny_run, tmp_path, caplog):
    home = Home(tmp_path, tiny_run.home.store, tiny_run.home.tracking_uri)
    pinned = pin(home, CHAMPION)
    assert load_pinned(home, pinned).digest == pinned.digest
    cached = tmp_path / "cache" / "models" / pinned.digest / VOCABULARY
    whole = cached.read_text()
    cached.write_text(whole.replace("red", "rot"))
    assert load_pinned(home, pinned).digest == pinned.digest
    assert cached.read_text() == whole
    assert f"{VOCABULARY} was altered" in caplog.text


def test_a_vocabulary_of_another_size_is_refused(tiny_run, copy):
    Vocabulary((*Vocabulary.read(copy / VOCABULARY).words, "zebra")).write(copy / VOCABULARY)
    seal(copy)
    assert f"{DECODER} does not fit {SETTINGS} and {VOCABULARY}" in refusal(tiny_run.home, copy)


@pytest.mark.parametrize("name", [ENCODER, DECODER])
def test_weights_that_are_none_are_refused(tiny_run, copy, name):
    (copy / name).write_bytes(b"no weights")
    seal(copy)
    assert f"{name} is not understood" in refusal(tiny_run.home, copy)


@pytest.mark.parametrize(
    "change", [{"positions": 50}, {"channels": 64}, {"pixels": {"side": 64, "fit": "pad", "interpolation": "bicubic"}}]
)
def test_a_shape_the_encoder_never_has_is_refused(tiny_run, copy, change):
    write_json(copy / SETTINGS, read_json(copy / SETTINGS) | change)
    seal(copy)
    result = refusal(tiny_run.home, copy)
    assert f"{SETTINGS} gives scenes" in result
    assert "positions" in result
    assert "channels, but at side" in result


@pytest.mark.parametrize("side", [0, 5000])
def test_a_side_no_image_is_scaled_to_is_refused_before_a_network_is_built(tiny_run, copy, side):
    pixels = read_json(copy / SETTINGS)["pixels"]
    write_json(copy / SETTINGS, read_json(copy / SETTINGS) | {"pixels": pixels | {"side": side}})
    seal(copy)
    assert "pixels.side" in refusal(tiny_run.home, copy)


def test_a_side_the_network_cannot_take_is_refused(tiny_run, copy):
    pixels = read_json(copy / SETTINGS)["pixels"]
    changed = {"encoder": "inception_resnet_v2", "pixels": pixels | {"side": 64}}
    write_json(copy / SETTINGS, read_json(copy / SETTINGS) | changed)
    seal(copy)
    assert f"{ENCODER} does not fit {SETTINGS}" in refusal(tiny_run.home, copy)


def test_an_architecture_the_weights_are_not_of_is_refused(tiny_run, copy):
    settings = read_json(copy / SETTINGS)
    settings["decoder"]["units"] = 33
    write_json(copy / SETTINGS, settings)
    seal(copy)
    assert f"{DECODER} does not fit" in refusal(tiny_run.home, copy)


def test_a_folder_without_a_bundle_is_not_found(tiny_run, tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ModelNotFound, match="is no model bundle") as caught:
            load_captioner(tiny_run.home, str(folder))
        assert caught.value.exit_code == 2


def test_words_in_another_order_never_load_even_if_sealed_anew(tiny_run, copy):
    words = list(Vocabulary.read(copy / VOCABULARY).words)
    words[4], words[5] = words[5], words[4]
    Vocabulary(tuple(words)).write(copy / VOCABULARY)
    seal(copy)
    assert "was trained with other words" in refusal(tiny_run.home, copy)


def test_what_the_encoder_sees_is_of_length_1_and_the_same_among_others(champion):
    images = noise(CAPTION_BATCH + 3)
    pooled_embeddings = champion.pooled_embeddings(images)
    assert pooled_embeddings.shape == (CAPTION_BATCH + 3, champion.networks.encoder.facts.channels)
    np.testing.assert_allclose(np.linalg.norm(pooled_embeddings, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(champion.pooled_embeddings(images[-1:])[0], pooled_embeddings[-1], atol=1e-5)
