"""When people's corrections are worth a training by themselves."""

from __future__ import annotations

import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core.environment import Home
from pipeline.core.settings import TrainSettings
from pipeline.data.snapshot import rewriting
from pipeline.data.sources.factory import corrections_of
from pipeline.data.validation.reference_profiles import ReferenceProfiles, collection_of
from pipeline.storage.stage_outputs import Store
from pipeline.storage.tables.corrections import CORRECTED


def new_corrections(settings: TrainSettings, home: Home) -> int:
    """How many corrections are not in the last accepted snapshot of this source."""
    table = corrections_of(settings.source, home)
    if table is None:
        return 0
    rewrite = rewriting(settings.source)
    trained = _in_last_snapshot(settings, home)
    return sum((each.image, rewrite(each.caption)) not in trained for each in table.read())


def _in_last_snapshot(settings: TrainSettings, home: Home) -> set[tuple[str, str]]:
    """Image and caption of every correction in the last accepted snapshot that is still in the store."""
    store = Store(home.store)
    for digest in reversed(ReferenceProfiles.of(store, collection_of(settings.source)).snapshots()):
        try:
            captions = store.find("snapshot", digest).path / "captions.parquet"
            rows = pq.read_table(captions, filters=pc.starts_with(pc.field("image"), CORRECTED)).to_pylist()
        except FileNotFoundError:  # removed since; the one before it has fewer
            continue
        return {(row["image"].removeprefix(CORRECTED), row["caption"]) for row in rows}
    return set()
