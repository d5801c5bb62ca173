"""When people's corrections are worth a training by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.core.environment import Home
    from pipeline.core.settings import TrainSettings


def new_corrections(settings: TrainSettings, home: Home) -> int:
    """How many corrections the last training of this source did not know, going by its snapshot, not by anybody's clock."""
    from pipeline.data.sources.factory import corrections_of
    from pipeline.metrics.gendered_words import neutral

    table = corrections_of(settings.source, home)
    if table is None:
        return 0
    worded = neutral if settings.source.people_terms == "neutral" else str
    known = _known(settings, home)
    return sum((each.image, worded(each.caption)) not in known for each in table.read())


def _known(settings: TrainSettings, home: Home) -> set[tuple[str, str]]:
    """Address and caption of every correction in the last accepted snapshot that is still in the store."""
    from pipeline.data.validation.reference_profiles import ReferenceProfiles, collection_of
    from pipeline.storage.stage_outputs import Store

    store = Store(home.store)
    for digest in reversed(ReferenceProfiles.of(store, collection_of(settings.source)).snapshots()):
        try:
            return _corrected(store.find("snapshot", digest).path)
        except FileNotFoundError:  # removed since; the one before knew fewer
            continue
    return set()


def _corrected(snapshot: Path) -> set[tuple[str, str]]:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from pipeline.storage.tables.corrections import CORRECTED

    table = pq.read_table(snapshot / "captions.parquet", columns=["image", "caption"])
    rows = table.filter(pc.starts_with(table["image"], CORRECTED)).to_pylist()
    return {(row["image"].removeprefix(CORRECTED), row["caption"]) for row in rows}
