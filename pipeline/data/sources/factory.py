"""From settings to a source."""

from __future__ import annotations

from pathlib import Path

from pipeline.core.environment import Home
from pipeline.core.settings import SourceSettings
from pipeline.data.sources.base import Source
from pipeline.data.sources.coco import CocoJsonSource
from pipeline.data.sources.corrections import CorrectedSource
from pipeline.data.sources.scenes import ScenesSource
from pipeline.data.sources.tfds import TfdsSource
from pipeline.storage.tables.corrections import CorrectionTable


def open_source(settings: SourceSettings, home: Home) -> Source:
    """The source that the settings name, with people's corrections."""
    source: Source
    if settings.kind == "scenes":
        source = ScenesSource(settings, home.store / "scenes")
    else:
        source = CocoJsonSource(settings) if settings.kind == "coco_json" else TfdsSource(settings)
    table = corrections_of(settings, home)
    return source if table is None else CorrectedSource(source, table, (str(home.root), *home.roots))


def corrections_of(settings: SourceSettings, home: Home) -> CorrectionTable | None:
    """The corrections that join a source; None where there are none."""
    table = settings.corrections or str(home.store / "corrections")
    return None if settings.corrections == "none" or not Path(table).is_dir() else CorrectionTable(table)
