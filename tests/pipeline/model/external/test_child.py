import json

import numpy as np
import pandas as pd
import pytest

from pipeline.model.external.child import _captions


class Model:
    """Answers the same, or fails."""

    def __init__(self, answer):
        self.answer = answer

    def predict(self, table):
        assert list(table["image"]) == [b"one", b"two"]
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


RECORDS = [{"caption": "a", "score": -1.5, "confidence": None}, {"caption": "b", "score": None, "confidence": None}]


@pytest.mark.parametrize(
    "answer",
    [
        pd.DataFrame({"caption": ["a", "b"], "score": [np.float32(-1.5), np.nan], "other": [1, 2]}),
        [{"caption": "a", "score": -1.5}, {"caption": "b", "score": float("inf")}],
    ],
    ids=["table", "records"],
)
def test_tables_and_records_become_plain_records(answer):
    message = _captions(Model(answer), [b"one", b"two"])
    assert json.loads(json.dumps(message, allow_nan=False)) == {"answers": RECORDS}


@pytest.mark.parametrize(
    "answer",
    [
        pd.DataFrame({"caption": ["a", "b"]}).sort_values("caption", ascending=False),
        pd.Series(["b", "a"], index=[1, 0]),
        pd.DataFrame({"image": [b"two", b"one"], "caption": ["b", "a"]}),
    ],
    ids=["sorted", "series", "with the images"],
)
def test_a_table_in_another_order_is_matched_to_its_images(answer):
    answers = _captions(Model(answer), [b"one", b"two"])["answers"]
    assert [each["caption"] for each in answers] == ["a", "b"]


@pytest.mark.parametrize(
    "answer",
    [
        pd.DataFrame({"caption": ["b", "a"]}, index=[0, 0]),
        pd.DataFrame({"caption": ["b", "a"]}, index=["y", "x"]),
        pd.DataFrame({"image": [b"two", b"three"], "caption": ["b", "a"]}),
    ],
    ids=["one number", "other names", "other images"],
)
def test_a_table_whose_rows_are_of_nobody_knows_which_image_is_refused(answer):
    assert "cannot be told apart" in _captions(Model(answer), [b"one", b"two"])["error"]


def test_captions_alone_are_records_without_numbers():
    (first, second) = _captions(Model(["a", b"b"]), [b"one", b"two"])["answers"]
    assert first == {"caption": "a", "score": None, "confidence": None}
    assert second["caption"] == "<class 'bytes'>"


def test_what_fails_is_an_error_in_a_line():
    assert _captions(Model(KeyError("x")), [b"one", b"two"]) == {"error": "KeyError: 'x'"}
