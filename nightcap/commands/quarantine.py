"""`nightcap quarantine`: what was left out of a night or a training, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from nightcap.console import show
from nightcap.options import TableOption
from nightcap.output import OutputOption, destination
from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError


def command(
    night: Annotated[str | None, typer.Option(help="Of this night, instead of the newest training.")] = None,
    training: Annotated[
        str | None,
        typer.Option(
            help="Folder of a validation, as a rejected training names it; default the newest, rejected or not."
        ),
    ] = None,
    reasons: Annotated[list[str] | None, typer.Option("--reason", help="Only this reason; may be repeated.")] = None,
    table: TableOption = None,
    output: OutputOption = None,
) -> None:
    """List quarantined images and captions, a line of JSON each: image, sha256, status, reason, caption and more.

    `nightcap replay` captions a night's again. Every training validates its own again; lines that are right as they
    are, in a file that `validation.waivers` names, are then accepted.
    """
    home = Home.from_environment()
    rows = _of_night(home, table, night) if night else _of_training(home, training)
    used = set[str]()
    with destination(output) as write:
        for row in rows:
            used.add(row["reason"])
            if not reasons or row["reason"] in reasons:
                write(json.dumps(row, ensure_ascii=False) + "\n")
        if reasons:
            from serving.planning.replay import require_reasons

            require_reasons(reasons, used)  # before the file appears


def _of_night(home: Home, named: str | None, night: str) -> Iterator[dict[str, Any]]:
    import pyarrow.compute as pc

    from pipeline.storage.tables import CaptionTable
    from pipeline.storage.tables.schema import COMMON_QUARANTINE, QUARANTINED
    from serving.planning.replay import require_night
    from serving.runs.places import Places

    table = Places.of(home).require_table(CaptionTable(named or home.captions))
    require_night(table, home, night)
    if table.run_of(night) is None:
        show(f"night {night!r} has published nothing in {table.uri}, so it has quarantined nothing there")
    condition = (pc.field("night") == night) & (pc.field("status") == QUARANTINED)
    for batch in table.batches(condition, [*COMMON_QUARANTINE.names, "etag", "night"]):
        yield from batch.to_pylist()


def _of_training(home: Home, folder: str | None) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    validate = home.store / "stages/validate"
    validations = [*validate.glob("[0-9a-f]*"), *(home.store / "rejected").glob("[0-9a-f]*")]
    validation = Path(folder) if folder else max(validations, key=_modified, default=validate)
    file = validation / "quarantine.parquet"
    if not file.is_file():
        raise SettingsError(f"no training has validated anything at {file}; run `nightcap train`, or name --training")
    outcome = "rejected" if validation.parent.name == "rejected" else "accepted"
    when = f"{datetime.fromtimestamp(_modified(validation), UTC):%Y-%m-%d %H:%M}"
    show(f"of the training data validated {when} UTC and {outcome}: {validation}")
    yield from pq.read_table(file).to_pylist()


def _modified(folder: Path) -> float:
    return folder.stat().st_mtime
