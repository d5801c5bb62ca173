"""When people's corrections are worth a training by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.core.environment import Home
    from pipeline.core.settings import TrainSettings


def new_corrections(settings: TrainSettings, home: Home) -> int:
    """How many corrections are not in the last accepted snapshot of this source."""
    from pipeline.data.sources.factory import corrections_of
    from pipeline.metrics.gendered_words import neutral

    table = corrections_of(settings.source, home)
    if table is None:
        return 0
    rewrite = neutral if settings.source.people_terms == "neutral" else str
    trained = _in_last_snapshot(settings, home)
    return sum((each.image, rewrite(each.caption)) not in trained for each in table.read())


def _in_last_snapshot(settings: TrainSettings, home: Home) -> set[tuple[str, str]]:
    """Image and caption of every correction in the last accepted snapshot that is still in the store."""
    from pipeline.data.validation.reference_profiles import ReferenceProfiles, collection_of
    from pipeline.storage.stage_outputs import Store

    store = Store(home.store)
    for digest in reversed(ReferenceProfiles.of(store, collection_of(settings.source)).snapshots()):
        try:
            return _corrections_in(store.find("snapshot", digest).path)
        except FileNotFoundError:  # removed since; the one before it has fewer
            continue
    return set()


def _corrections_in(snapshot: Path) -> set[tuple[str, str]]:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from pipeline.storage.tables.corrections import CORRECTED

    table = pq.read_table(snapshot / "captions.parquet", columns=["image", "caption"])
    rows = table.filter(pc.starts_with(table["image"], CORRECTED)).to_pylist()
    return {(row["image"].removeprefix(CORRECTED), row["caption"]) for row in rows}
