"""Parts with statistics beside their rows."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.model.interface import Caption
from pipeline.model.reference_profile import Distribution
from pipeline.storage.files import read_json
from serving.runs.part_file import SECONDS, keep_reference, read_parts, with_part_columns

ROWS = pa.table(
    {
        "status": ["captioned", "quarantined", "captioned"],
        "caption": ["a dog", None, "a small cat"],
        "score": [-1.0, None, -2.0],
    }
)


def write(path, captions):
    pq.write_table(with_part_columns(ROWS, captions, 6.0), path)
    (batch,) = read_parts([path])
    return batch


def test_statistics_of_captioned_images(tmp_path):
    captions = [
        Caption("a dog", -1.0, (), 0.5, image_statistics={"level": 7.0}),
        None,
        Caption("a small cat", -2.0, (), 1.5),
    ]
    batch = write(tmp_path / "part.parquet", captions)
    assert batch.captions == ["a dog", "a small cat"]
    assert batch.seconds == pytest.approx(6.0)
    statistics = {name: values.tolist() for name, values in batch.statistics().items()}
    assert statistics == {"words": [2, 3], "score": [-1, -2], "confidence": [0.5, 1.5], "level": [7]}


def test_a_part_without_captions_has_empty_statistics(tmp_path):
    batch = write(tmp_path / "part.parquet", [None, None, None])
    assert set(batch.statistics()) == {"words", "score"}
    assert with_part_columns(ROWS, [None] * 3, 6.0).column_names == [*ROWS.column_names, SECONDS]


def test_the_first_reference_is_kept(tmp_path):
    path = tmp_path / "reference.json"
    keep_reference(path, SimpleNamespace())
    assert not path.exists()
    first, second = ({"level": Distribution.of(np.arange(float(size)))} for size in (20, 30))
    for reference in (first, second):
        keep_reference(path, SimpleNamespace(reference=reference))
    assert Distribution.parse(read_json(path)["level"]).counts.tolist() == first["level"].counts.tolist()
