"""A bundle of every released format loads in this version and gives the captions it gave then."""

import numpy as np
import pytest
from PIL import Image

from pipeline.core.environment import Home
from pipeline.model.bundle import FORMAT, GOLDEN, read_bundle
from pipeline.storage.files import read_json
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
