"""The current captions: of each image its human caption if any, else its newest not withdrawn.

A commit to the current table notes which files of both tables belong together. So whoever reads them later sees whether
the two still fit: not after the history was restored, lost its end, or was written by somebody else.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Collection, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from pipeline.core.errors import Permanent, SettingsError
from pipeline.storage.files import sha256
from pipeline.storage.tables.commits import (
    TableChange,
    batches_of,
    commit,
    dataset_of,
    names_of,
    number_of,
    open_table,
    scanner_of,
    sequence_of,
)
from pipeline.storage.tables.delta_log import damaged_files
from pipeline.storage.tables.schema import HUMAN, USABLE, one_of

log = logging.getLogger(__name__)

CURRENT_FILE_ROWS = 4_096  # a changed image has as many rows written anew
MERGED_ROWS = 200_000  # the most that are merged into the table; after more it is written anew as a whole

_FIT = "nightcap-fit"  # an application whose version tells which files of both tables belong together
_PASS_ROWS = 4_000_000  # whose keys are in memory at once
_ORDERED_BY = ["image", "source", "captioned_at", "sequence"]
_FILE = "__filename"

_Mask = npt.NDArray[np.bool_]
_Numbers = npt.NDArray[np.int64]


def refresh(uri: str, find_history: Callable[[], DeltaTable | None]) -> bool:
    """Make a current table fit its history, if it does not; False if somebody else committed first."""
    if find_history() is None:
        return True
    current = _open(uri)
    history = find_history()  # once more: it must not be older than what the current table was made from
    if history is None or _fits(history, current):
        return True
    change = _merge(history, current) if _has_grown(history, current) else None
    return commit(uri, current, change or _rebuild(history, current)) is not None


def best_rows(history: ds.Dataset, condition: ds.Expression, columns: Collection[str]) -> pa.Table:
    """Of the rows that meet a condition each image's first by (human, newest); all of them are in memory."""
    rows = _read(history, condition, columns)
    return rows.filter(pa.array(_is_first(history, *_keys(rows)))).select(list(columns))


def newest_first(history: ds.Dataset, condition: ds.Expression, columns: Collection[str]) -> pa.Table:
    """The rows that meet a condition by sequence, and by time within one; all of them are in memory."""
    rows = _read(history, condition, columns)
    _, _, times, sequences = _keys(rows)
    return rows.take(np.lexsort((times, _placed(history, times, sequences)))[::-1]).select(list(columns))


def current_rows(history: ds.Dataset) -> Iterator[pa.RecordBatch]:
    """One row per image, in the history's order; a byte per row of the history is in memory, and few rows' keys."""
    keep = _is_current(history)
    start = 0
    for batch in batches_of(history, USABLE):
        yield batch.filter(pa.array(keep[start : start + len(batch)]))
        start += len(batch)


def _read(history: ds.Dataset, condition: ds.Expression, columns: Collection[str]) -> pa.Table:
    names = list(dict.fromkeys([*columns, *_ORDERED_BY]))
    return scanner_of(history, condition, names).to_table()


def _open(uri: str) -> DeltaTable:
    """The current table, made anew if it is damaged, as all of it is in the history."""
    try:
        return open_table(uri)
    except SettingsError:  # somebody else's table
        raise
    except (DeltaError, Permanent) as error:
        log.warning("table %s cannot be read and is made anew: %s", uri, error)
        shutil.rmtree(uri)
        return open_table(uri)


def _fits(history: DeltaTable, current: DeltaTable) -> bool:
    noted = current.transaction_version(_FIT), sequence_of(current)
    return noted == (_fit(names_of(history), names_of(current)), sequence_of(history)) and not damaged_files(current)


def _has_grown(history: DeltaTable, current: DeltaTable) -> bool:
    """Whether the history is what the current table was made from, and rows that Nightcap has added since."""
    before = sequence_of(current)
    known = {name for name in names_of(history) if (number_of(name) or 0) <= before}
    is_noted = current.transaction_version(_FIT) == _fit(known, names_of(current))
    return is_noted and sequence_of(history) > before and not damaged_files(current)


def _fit(history: Collection[str], current: Collection[str]) -> int:
    """A number for the files of both tables."""
    return int(sha256("\n".join([*sorted(history), "", *sorted(current)]).encode())[:15], 16)


def _rebuild(history: DeltaTable, current: DeltaTable) -> TableChange:
    return _change(history, current, current_rows(dataset_of(history)), names_of(current))


def _merge(history: DeltaTable, current: DeltaTable) -> TableChange | None:
    """The newer rows of the history, and those of the files that hold rows that they replace; None if too many."""
    new = _only(dataset_of(history), lambda name: (number_of(name) or 0) > sequence_of(current))
    if new.count_rows() > MERGED_ROWS:
        return None
    rows, present = best_rows(new, USABLE, new.schema.names), dataset_of(current)
    if not len(rows):
        return _change(history, current, iter(()), ())
    replaced = one_of("image", rows["image"].to_pylist())
    places = scanner_of(present, replaced, ["image", "source", _FILE]).to_table()
    by_people = places.filter(pc.equal(places["source"], HUMAN))["image"]
    rows = rows.filter(pc.or_(pc.equal(rows["source"], HUMAN), pc.invert(pc.is_in(rows["image"], by_people))))
    touched = frozenset(places.filter(pc.is_in(places["image"], rows["image"]))[_FILE].to_pylist())
    left = pc.invert(pc.is_in(pc.field("image"), value_set=rows["image"].combine_chunks()))
    kept = batches_of(_only(present, touched.__contains__), left) if touched else iter(())
    return _change(history, current, chain(kept, rows.to_batches()), {Path(name).name for name in touched})


def _change(
    history: DeltaTable, current: DeltaTable, batches: Iterator[pa.RecordBatch], removed: Collection[str]
) -> TableChange:
    of_history = names_of(history)
    return TableChange(
        batches,
        removed,
        number=current.version() + 1,
        sequence=sequence_of(history),
        file_rows=CURRENT_FILE_ROWS,
        noted=lambda names: {_FIT: _fit(of_history, names)},
    )


def _only(dataset: ds.Dataset, is_wanted: Callable[[str], bool]) -> ds.Dataset:
    """Those files of a table's dataset whose names are wanted."""
    fragments = [each for each in dataset.get_fragments() if is_wanted(each.path)]
    return ds.FileSystemDataset(fragments, dataset.schema, ds.ParquetFileFormat())


def _is_current(history: ds.Dataset) -> _Mask:
    """bool [rows]: whether a usable row is its image's first; zeros follow for rows that are not usable.

    Images are compared by 64-bit hashes: among ten million images, a collision occurs in 1 of 370,000 tables.
    """
    total = history.count_rows()
    keep, passes = np.zeros(total, bool), -(-total // _PASS_ROWS)
    for number in range(passes):
        pieces, start = [], 0
        for batch in batches_of(history, USABLE, _ORDERED_BY):
            keys = _keys(batch)
            (places,) = np.nonzero(keys[0] % np.uint64(passes) == number)
            pieces.append((places + start, *(column[places] for column in keys)))
            start += len(batch)
        if pieces:
            places, *columns = (np.concatenate(column) for column in zip(*pieces, strict=True))
            keep[places[_is_first(history, *columns)]] = True
    return keep


def _is_first(
    history: ds.Dataset, images: npt.NDArray[np.uint64], human: _Mask, times: _Numbers, sequences: _Numbers
) -> _Mask:
    """bool [rows]: whether a row is its image's first by (human, sequence, time), the greatest of each.

    The sequence decides, as a clock may be wrong for a night. A row of another writer has none, here -1: it stands after
    the commits of the history that its time is not before.
    """
    order = np.lexsort((times, _placed(history, times, sequences), human, images))
    ordered = images[order]
    first = np.zeros(len(images), bool)
    first[order[np.r_[ordered[1:] != ordered[:-1], True][: len(order)]]] = True
    return first


def _first_times(history: ds.Dataset) -> list[tuple[int, int]]:
    """Of each sequence the time of its first row in microseconds, and the sequence; sorted."""
    first: dict[int, int] = {}
    for batch in batches_of(history, pc.field("sequence").is_valid(), ["sequence", "captioned_at"]):
        groups = pa.Table.from_batches([batch]).group_by("sequence").aggregate([("captioned_at", "min")])
        times = groups["captioned_at_min"].cast(pa.int64()).to_pylist()
        for sequence, time in zip(groups["sequence"].to_pylist(), times, strict=True):
            first[sequence] = min(time, first.get(sequence, time))
    return sorted((time, sequence) for sequence, time in first.items())


def _placed(history: ds.Dataset, times: _Numbers, sequences: _Numbers) -> _Numbers:
    """The sequences of rows, and where those of another writer stand."""
    if not (sequences < 0).any():
        return sequences
    begun, numbers = np.array([(0, 0), *_first_times(history)], np.int64).T
    reached = np.maximum.accumulate(numbers)[np.searchsorted(begun, times, "right") - 1]
    return np.where(sequences < 0, reached, sequences)


def _keys(rows: pa.RecordBatch | pa.Table) -> tuple[npt.NDArray[np.uint64], _Mask, _Numbers, _Numbers]:
    """Arrays [rows]: hash of the image, whether a person wrote the row, microseconds since 1970, sequence or -1."""
    return (
        pd.util.hash_array(rows["image"].to_numpy(zero_copy_only=False), categorize=False),
        pc.equal(rows["source"], HUMAN).to_numpy(zero_copy_only=False),
        rows["captioned_at"].cast(pa.int64()).to_numpy(),
        pc.fill_null(rows["sequence"], -1).to_numpy(),
    )
