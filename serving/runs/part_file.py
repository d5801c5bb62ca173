"""Parts of a shard: the table's columns, and `watch.*` columns with statistics that publishing leaves out.

Both share one file, so that no crash separates them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.model.interface import Caption
from pipeline.model.reference_profile import Distribution, word_count
from pipeline.storage.files import read_json_if_whole, write_json
from pipeline.storage.tables import CAPTIONED

SECONDS: Final = "watch.seconds"
_PREFIX: Final = "watch."
_ROWS: Final = 16_384


def with_part_columns(rows: pa.Table, captions: Sequence[Caption | None], seconds: float) -> pa.Table:
    """A part's rows with statistics; captions in the order of rows, None if quarantined; seconds of the whole part."""
    rows = rows.append_column(SECONDS, pa.array([seconds / len(rows)] * len(rows), pa.float64()))
    statistics = [{} if each is None else {"confidence": each.confidence, **each.image_statistics} for each in captions]
    for name in dict.fromkeys(name for each in statistics for name in each):
        rows = rows.append_column(f"{_PREFIX}{name}", pa.array([each.get(name) for each in statistics], pa.float64()))
    return rows


class PartBatch:
    """Some images of a part, quarantined ones among them."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch

    @property
    def captions(self) -> list[str]:
        """Of the captioned images."""
        rows = zip(self._batch["status"].to_pylist(), self._batch["caption"].to_pylist(), strict=True)
        return [caption for status, caption in rows if status == CAPTIONED]

    @property
    def seconds(self) -> float:
        """A worker's time for all images."""
        return float(np.sum(self._numbers(SECONDS)))

    def statistics(self) -> dict[str, npt.NDArray[np.float64]]:
        """The finite values of each statistic, by its name: float [up to the batch's length]."""
        columns = [name for name in self._batch.schema.names if name.startswith(_PREFIX) and name != SECONDS]
        return {
            "words": np.array([word_count(caption) for caption in self.captions], float),
            "score": self._numbers("score"),
            **{name.removeprefix(_PREFIX): self._numbers(name) for name in columns},
        }

    def _numbers(self, name: str) -> npt.NDArray[np.float64]:
        if name not in self._batch.schema.names:
            return np.empty(0)
        values = self._batch[name].to_numpy(zero_copy_only=False).astype(float)
        finite: npt.NDArray[np.float64] = values[np.isfinite(values)]
        return finite


def read_parts(files: Sequence[Path]) -> Iterator[PartBatch]:
    """The rows of parts, few in memory at once."""
    for path in files:
        with pq.ParquetFile(path) as part:
            columns = [name for name in part.schema_arrow.names if name.startswith(_PREFIX)]
            for batch in part.iter_batches(_ROWS, columns=["status", "caption", "score", *columns]):
                yield PartBatch(batch)


def keep_reference(path: Path, captioner: Any) -> None:
    """Write the reference of the loaded model; an external captioner has none."""
    reference: Mapping[str, Distribution] = getattr(captioner, "reference", {})
    if reference and read_json_if_whole(path) is None:
        write_json(path, {name: item.to_json() for name, item in reference.items()})
