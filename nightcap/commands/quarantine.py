"""`nightcap quarantine`: what was left out of a night or a training, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from nightcap.console import console
from nightcap.output import OutputOption, destination


def command(
    night: Annotated[str | None, typer.Option(help="Of this night, instead of the newest training.")] = None,
    training: Annotated[
        str | None,
        typer.Option(
            help="Folder of a validation, as a rejected training names it; default the newest, rejected or not."
        ),
    ] = None,
    reasons: Annotated[list[str] | None, typer.Option("--reason", help="Only this reason; may be repeated.")] = None,
    table: Annotated[str | None, typer.Option(help="Delta table of captions; default NIGHTCAP_CAPTIONS.")] = None,
    output: OutputOption = None,
) -> None:
    """List quarantined images and captions, a line of JSON each: image, sha256, status, reason, caption and more.

    A night's go through again with `nightcap replay`. A training's are judged anew by every training; lines that are
    right as they are, in a file that `validation.waivers` names, are then accepted.
    """
    from pipeline.core.environment import Home

    home = Home.from_environment()
    rows = _of_night(table or str(home.captions), night) if night else _of_training(home, training)
    with destination(output) as write:
        for row in rows:
            if not reasons or row["reason"] in reasons:
                write(json.dumps(row, ensure_ascii=False) + "\n")


def _of_night(table: str, night: str) -> Iterator[dict[str, Any]]:
    import pyarrow.compute as pc

    from pipeline.storage.tables import CaptionTable
    from pipeline.storage.tables.schema import COMMON_QUARANTINE, QUARANTINED

    wanted = (pc.field("night") == night) & (pc.field("status") == QUARANTINED)
    for batch in CaptionTable(table).batches(wanted, [*COMMON_QUARANTINE.names, "etag", "night"]):
        yield from batch.to_pylist()


def _of_training(home: Any, folder: str | None) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    from pipeline.core.errors import SettingsError

    validated = [*(home.store / "stages/validate").glob("[0-9a-f]*"), *(home.store / "rejected").glob("[0-9a-f]*")]
    found = [Path(folder)] if folder else sorted(validated, key=_age)
    file = found[-1] / "quarantine.parquet" if found else home.store / "stages/validate"
    if not file.is_file():
        raise SettingsError(f"no training has validated anything at {file}; run `nightcap train`, or name --training")
    validation = file.parent
    outcome = "rejected" if validation.parent.name == "rejected" else "accepted"
    when = f"{datetime.fromtimestamp(_age(validation), UTC):%Y-%m-%d %H:%M}"
    console.print(f"of the training data validated {when} UTC and {outcome}: {validation}", markup=False)
    yield from pq.read_table(file).to_pylist()


def _age(folder: Path) -> float:
    return folder.stat().st_mtime
