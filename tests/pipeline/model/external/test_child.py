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


def test_captions_alone_are_records_without_numbers():
    (first, second) = _captions(Model(["a", b"b"]), [b"one", b"two"])["answers"]
    assert first == {"caption": "a", "score": None, "confidence": None}
    assert second["caption"] == "<class 'bytes'>"


def test_what_fails_is_an_error_in_a_line():
    assert _captions(Model(KeyError("x")), [b"one", b"two"]) == {"error": "KeyError: 'x'"}
