import json

import pandas as pd
import pytest

from pipeline.core.errors import SettingsError
from pipeline.data.validation.waivers import read_waivers, waived

ROW = {"kind": "caption", "image": "a.jpg", "sha256": "0" * 64, "caption": "a <b> dog", "reason": "markup"}


def written(path, *rows):
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    return path


def test_a_waiver_holds_for_these_words_and_this_reason_only(tmp_path):
    waivers = read_waivers(written(tmp_path / "waivers", ROW))
    rows = pd.DataFrame({"image": ["a.jpg", "a.jpg", "b.jpg"], "caption": ["a <b> dog", "a <i> dog", "a <b> dog"]})
    assert waived(rows, "caption", ["markup"] * 3, waivers) == [True, False, False]
    assert waived(rows, "caption", ["link"] * 3, waivers) == [False] * 3


def test_a_waiver_of_an_image_holds_for_its_bytes(tmp_path):
    row = ROW | {"kind": "image", "caption": None, "reason": "near_duplicate"}
    waivers = read_waivers(written(tmp_path / "waivers", row))
    rows = pd.DataFrame({"image": ["a.jpg"] * 2, "sha256": ["0" * 64, "1" * 64]})
    assert waived(rows, "image", ["near_duplicate"] * 2, waivers) == [True, False]


def test_without_a_file_nothing_is_waived():
    assert read_waivers(None) == frozenset()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(ROW | {"reason": "corrupt"}), "waives 'corrupt'; these may be: "),
        (json.dumps({"kind": "caption"}), "lacks one of"),
        ("[]", "lacks one of"),
        ("no JSON", "cannot read"),
    ],
)
def test_a_malformed_file_is_a_settings_error(tmp_path, text, message):
    path = tmp_path / "waivers"
    path.write_text(text)
    with pytest.raises(SettingsError, match=f"validation.waivers: .*{message}"):
        read_waivers(path)


def test_a_missing_file_is_a_settings_error(tmp_path):
    with pytest.raises(SettingsError, match="cannot read"):
        read_waivers(tmp_path / "none")
