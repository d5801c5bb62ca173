"""`nightcap search`: which images have captions with some words."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from nightcap.console import echo, show, working
from nightcap.options import TableOption
from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError


def command(
    words: Annotated[
        list[str],
        typer.Argument(help='All of them are in the caption or the name; a "phrase" stands in quotation marks.'),
    ],
    limit: Annotated[int, typer.Option(min=1, help="Most images.")] = 20,
    table: TableOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON an image.")] = False,
) -> None:
    """Find images by words of their current captions, the best first."""
    from pipeline.storage.tables import CaptionTable
    from serving.app.caption_index import CaptionIndex
    from serving.runs.places import Places

    text = " ".join(words)
    if not text.strip(' "'):
        raise SettingsError("no words to search for; name some")
    home = Home.from_environment()
    with working("searching"):
        index = CaptionIndex(Places.of(home).require_table(CaptionTable(table or home.captions)))
        found = index.search(f"{text} ", limit)  # whole words
    if not found:
        show("no current caption has these words")
    for each in found:
        echo(json.dumps(asdict(each), ensure_ascii=False) if as_json else f"{each.image}: {each.caption}")
