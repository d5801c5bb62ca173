"""`nightcap trace`: from a caption to its model, run and snapshot; from a training image to models and captions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from nightcap.console import working
from nightcap.output import destination


def command(
    image: Annotated[
        str, typer.Argument(help="An image's address or name, as the table or a training has it, or SHA-256.")
    ],
    table: Annotated[str | None, typer.Option(help="Delta table of captions; default NIGHTCAP_CAPTIONS.")] = None,
    captions: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Write here, a line of JSON each, all that models trained on it have published."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Tell where an image's captions come from, which models were trained on it, and in which nights they captioned."""
    from pipeline.core.environment import Home
    from pipeline.storage.tables import CaptionTable
    from pipeline.upkeep.trace import Tracer

    home = Home.from_environment()
    tracer = Tracer(home, CaptionTable(table or home.captions))
    with working("tracing"):
        found = tracer.trace(image)
        if captions is not None:
            with destination(captions) as write:
                for row in tracer.captions_of(found):
                    write(json.dumps(row, ensure_ascii=False) + "\n")
    typer.echo(json.dumps(found, ensure_ascii=False) if as_json else "\n".join(_lines(found)))


def _lines(found: dict[str, Any]) -> Iterator[str]:
    yield found["image"]
    for row in found["captions"]:
        yield f"  {_caption(row)}"
        yield from _model(row["model"]) if row["model"] else ()
    for model in found["trained"]:
        yield f"  {_exposure(model)}"
        yield from _model(model)
        yield f"    {_nights(model['nights'])}"
    if found["captions"] and not found["trained"]:
        yield "  no registered version was trained on it, as far as the store knows"
    if not found["captions"]:
        yield "  no night has captioned it"


def _caption(row: dict[str, Any]) -> str:
    what = f'"{row["caption"]}"' if row["caption"] else f"quarantined: {row['reason']}"
    by = (
        "a person"
        if row["source"] == "human"
        else f"{row['model_name']} version {row['model_version'] or '(a folder)'}"
    )
    withdrawn = ", withdrawn" if row["withdrawn"] else ""
    night = f", night {row['night']}, run {row['run']}" if row["night"] else ""
    return f"{what} by {by}{night}, {row['captioned_at'][:16]}{withdrawn}"


def _exposure(model: dict[str, Any]) -> str:
    left_out = {
        True: "",
        None: " (what validation accepted is not known any more)",
        False: " but left out by validation",
    }
    through = f", which continues {' and '.join(model['through'])}" if model["through"] else ""
    version = f"{model['name']} version {model['version']}{through}"
    return f"in the snapshot ({', '.join(model['splits'])}) of {version}{left_out[model['accepted']]}"


def _model(model: dict[str, Any]) -> Iterator[str]:
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


def _nights(nights: dict[str, int]) -> str:
    told = ", ".join(f"{night} ({count})" for night, count in nights.items())
    return f"published in nights: {told}" if told else "no night has used it"
