"""`nightcap trace`: from a caption to its model, run and snapshot; from a training image to models and captions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from nightcap.console import echo, echo_json, working
from nightcap.options import TableOption
from nightcap.output import destination
from pipeline.core.environment import Home


def command(
    image: Annotated[
        str, typer.Argument(help="An image's address or name, as the table or a training has it, or SHA-256.")
    ],
    table: TableOption = None,
    captions: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Write here, a line of JSON each, all that models trained on it have published."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show where an image's captions come from, which models were trained on it, and in which nights they captioned."""
    from pipeline.storage.tables import CaptionTable
    from pipeline.upkeep.trace import Tracer
    from serving.runs.places import Places

    home = Home.from_environment()
    tracer = Tracer(home, Places.of(home).require_table(CaptionTable(table or home.captions)))
    with working("tracing"):
        trace = tracer.trace(image)
        if captions is not None:
            with destination(captions) as write:
                for row in tracer.captions_of(trace):
                    write(json.dumps(row, ensure_ascii=False) + "\n")
    if as_json:
        echo_json(trace)
        return
    for line in _lines(trace):
        echo(line)


def _lines(trace: dict[str, Any]) -> Iterator[str]:
    yield trace["image"]
    for row in trace["captions"]:
        yield f"  {_caption_line(row)}"
        yield from _model_lines(row["model"]) if row["model"] else ()
    for model in trace["trained"]:
        yield f"  {_training_line(model)}"
        yield from _model_lines(model)
        nights = ", ".join(f"{night} ({count})" for night, count in model["nights"].items())
        yield f"    published in nights: {nights}" if nights else "    no night has used it"
    if trace["captions"] and not trace["trained"]:
        yield "  no registered version was trained on it, as far as the store knows"
    if not trace["captions"]:
        yield "  no night has captioned it"


def _caption_line(row: dict[str, Any]) -> str:
    caption = f'"{row["caption"]}"' if row["caption"] else f"quarantined: {row['reason']}"
    model = f"{row['model_name']} version {row['model_version'] or '(a folder)'}"
    by = (row["who"] or "a person") if row["source"] == "human" else model
    withdrawn = ", withdrawn" if row["withdrawn"] else ""
    night = f", night {row['night']}, run {row['run']}" if row["night"] else ""
    return f"{caption} by {by}{night}, {row['captioned_at'][:16]}{withdrawn}"


def _training_line(model: dict[str, Any]) -> str:
    left_out = {True: "", None: " (the result of its validation is lost)", False: " but left out by validation"}
    through = f", which continues {' and '.join(model['through'])}" if model["through"] else ""
    version = f"{model['name']} version {model['version']}{through}"
    return f"in the snapshot ({', '.join(model['splits'])}) of {version}{left_out[model['accepted']]}"


def _model_lines(model: dict[str, Any]) -> Iterator[str]:
    if not model["registered"]:
        yield "    this version is not registered any more"
        return
    yield f"    MLflow run {model['mlflow_run'] or '-'}, bundle {(model['bundle'] or '-')[:12]}"
    yield f"    snapshot {model['snapshot'] or 'unknown'}"
    if verdict := model["verdict"]:
        against = f" against version {verdict['against']}" if verdict.get("against", "nobody") != "nobody" else ""
        yield f"    gate: {verdict.get('gate', '-')}{against}: {verdict.get('reason', '-')}"
    for entry in model["promotions"]:
        yield (
            f"    journal entry {entry['number']}: {entry['action']} {entry['from'] or '-'} -> {entry['to']}, "
            f"{entry['when'][:16]}, {entry['who']}"
        )
