"""Commits of several writers."""

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from pipeline.core.errors import SettingsError
from pipeline.storage.tables import CaptionTable
from tests.pipeline.storage.tables.table_rows import images, row, rows


def append(uri, names):
    return CaptionTable(uri).append(rows(*(row(name) for name in names)), 0)


def test_many_writers_at_once_lose_and_double_nothing(tmp_path):
    uri = str(tmp_path / "captions")
    batches = [["a", "b"], ["b", "c"], ["c", "d"], ["d", "a"]] * 2
    with ThreadPoolExecutor(len(batches)) as pool:
        counts = list(pool.map(append, [uri] * len(batches), batches))
    assert images(CaptionTable(uri)) == ["a", "b", "c", "d"]
    assert sum(counts) == 4


def test_another_table_is_refused(tmp_path):
    write_deltalake(tmp_path / "sales", pa.table({"price": [1]}))
    with pytest.raises(SettingsError, match="lacks the columns"):
        CaptionTable(tmp_path / "sales").version()
