"""A bundle of every released format loads in this version and gives the captions it gave then."""

import numpy as np
import pytest
from PIL import Image

from pipeline.core.environment import Home
from pipeline.metrics.normalisation import NORMALISATION
from pipeline.model.bundle import DECODER, FORMAT, GOLDEN, SETTINGS, VOCABULARY, read_bundle, seal
from pipeline.model.explanation import explain
from pipeline.model.vocabulary import Vocabulary
from pipeline.model.vocabulary_binding import bind
from pipeline.storage.files import read_json, write_json
from tests.fixtures.stored_bundles import FOLDER, stored_formats, unpack
from tests.loading import load_captioner

DIGESTS = {
    2: "27732da90812256c527f23c6a683b200842fdeadce3a8e0f4086d7b7228b5147",
    3: "c9deafab03e77ff9e4bfb464929b308a2a2712c6999cfc19b3d72f6e2798f312",
    4: "6d01d1653669119d73ef6055fb1c30d5b2067d959f4587b0a3fb9880c08277f5",
}


def test_every_format_since_the_second_has_a_small_bundle():
    assert stored_formats() == sorted(DIGESTS) == list(range(2, FORMAT + 1))
    assert all(path.stat().st_size < 50_000 for path in FOLDER.iterdir())


@pytest.mark.parametrize("version", sorted(DIGESTS))
def test_a_bundle_of_a_released_format_gives_its_golden_captions(tmp_path, version):
    folder = unpack(version, tmp_path / "bundle")
    assert read_bundle(folder, DIGESTS[version]).settings.format_version == max(version, 3)
    captioner = load_captioner(Home(tmp_path, tmp_path / "store", ""), str(folder))
    golden = read_json(folder / GOLDEN / "captions.json")
    actual = captioner.caption(np.stack([np.asarray(Image.open(folder / GOLDEN / name)) for name in golden]))
    assert len({caption.text for caption in actual}) == 3
    assert [caption.text for caption in actual] == [wanted["caption"] for wanted in golden.values()]
    assert [caption.score for caption in actual] == pytest.approx([each["score"] for each in golden.values()], abs=1e-4)


CHINESE = ["\u4e00\u53ea", "\u72d7", "\u8349\u5730", "\u7ea2\u8272", "\u84dd\u8272", "\u9e1f", "\u732b"]


def in_chinese(folder):
    """Replace a stored bundle's words; its golden captions in the new words."""
    words = Vocabulary.read(folder / VOCABULARY).words[4:]
    told = dict(zip(words, [*CHINESE, *(f"\u5929{word}" for word in CHINESE)], strict=True))
    Vocabulary.of(told.values()).write(folder / VOCABULARY)
    bind(folder / DECODER, folder / VOCABULARY)
    golden = read_json(folder / GOLDEN / "captions.json")
    return {name: [told[word] for word in wanted["caption"].split()] for name, wanted in golden.items()}


def test_a_bundle_of_words_parted_by_blanks_still_writes_blanks(tmp_path):
    """It names no form of words, as it was made before scripts without spaces had one."""
    folder = unpack(4, tmp_path / "bundle")
    captions = in_chinese(folder)
    seal(folder)
    captioner = load_captioner(Home(tmp_path, tmp_path / "store", ""), str(folder))
    stack = np.stack([np.asarray(Image.open(folder / GOLDEN / name)) for name in captions])
    assert [caption.text for caption in captioner.caption(stack)] == [" ".join(each) for each in captions.values()]
    assert [explain(captioner, stack[0]).words] == [tuple(each) for each in captions.values()][:1]


def test_a_bundle_that_names_today_s_form_writes_no_blanks_in_scripts_without_spaces(tmp_path):
    folder = unpack(4, tmp_path / "bundle")
    captions = in_chinese(folder)
    write_json(folder / SETTINGS, read_json(folder / SETTINGS) | {"normalisation": NORMALISATION})
    seal(folder)
    words = read_bundle(folder).vocabulary
    for caption in captions.values():
        assert words.decode([words.ids[word] for word in caption]) == "".join(caption)
