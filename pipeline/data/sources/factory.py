"""From settings to a source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.environment import Home
from pipeline.core.settings import SourceSettings
from pipeline.data.sources.base import Source

if TYPE_CHECKING:
    from pipeline.storage.tables.corrections import CorrectionTable


def open_source(settings: SourceSettings, home: Home) -> Source:
    """The source that the settings name, with people's corrections; its libraries are imported only now."""
    source, table = _open(settings, home), corrections_of(settings, home)
    if table is None:
        return source
    from pipeline.data.sources.corrections import CorrectedSource

    return CorrectedSource(source, table, (str(home.root), *home.roots))


def corrections_of(settings: SourceSettings, home: Home) -> CorrectionTable | None:
    """The corrections that join a source; None where there are none."""
    table = settings.corrections or str(home.store / "corrections")
    if settings.corrections == "none" or not Path(table).is_dir():
        return None
    from pipeline.storage.tables.corrections import CorrectionTable

    return CorrectionTable(table)


def _open(settings: SourceSettings, home: Home) -> Source:
    if settings.kind == "scenes":
        from pipeline.data.sources.scenes import ScenesSource

        return ScenesSource(settings, home.store / "scenes")
    if settings.kind == "coco_json":
        from pipeline.data.sources.coco import CocoJsonSource

        return CocoJsonSource(settings)
    from pipeline.data.sources.tfds import TfdsSource

    return TfdsSource(settings)
