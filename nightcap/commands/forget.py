"""`nightcap forget`: images leave no trace, and are not captioned again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from nightcap.console import echo, show, working
from nightcap.options import TableOption
from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.core.text_files import file_text
from pipeline.storage.objects import printable
from pipeline.upkeep.backup.catalog import Shelf


def command(
    images: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="File with an image a line, as the table names them.")
    ],
    is_json: Annotated[
        bool,
        typer.Option(
            "--json", help="The file is a JSON list of names, or one a line: for names that no line can hold."
        ),
    ] = False,
    table: TableOption = None,
    accept_empty: Annotated[
        bool,
        typer.Option(help="Go on without a table that held rows and is gone for good; its nights' files lose them."),
    ] = False,
    backups: Annotated[Path | None, typer.Option(help="Folder of the backups, which are named and stay.")] = None,
) -> None:
    """Remove images' captions, thumbnails, features and snapshot rows for good, and never caption them again.

    All tables that the home's nights have written are searched. After an error, run it again: it goes on. It ends with 3
    if nothing knows one of the names.
    """
    from nightcap.forgetting import forget_images

    named = _names_in_json(images) if is_json else _names_in_lines(images)
    home = Home.from_environment()
    with working("forgetting") as show_step:
        done = forget_images(home, named, table or home.captions, show_step, accept_empty)
    show(f"{len(named)} images: {done.rows} rows, {done.nights} nights and {done.files} other files are without them")
    show(
        f"looked again at {', '.join(done.tables)}, current captions, corrections, reviews, lists, galleries and their "
        "thumbnails, outputs, caches and MLflow: no trace is left"
    )
    show(_of_backups(backups))
    for each in done.exposed:
        echo(describe_exposure(each))
    if done.unfinished:
        echo(f"earlier calls for {done.unfinished} other images have not ended: run them again with their lists")
    if done.names.unknown:
        echo(f"nothing knows {done.names.unknown_named()}; no night will caption such an image")
        raise typer.Exit(3)


def _of_backups(folder: Path | None) -> str:
    if folder is None:
        return "backups are not searched: remove those that hold the images (--backups names them)"
    names = ", ".join(Shelf(folder).names())
    return f"{folder} has the backups {names}; they may hold the images" if names else f"{folder} has no backups"


def _names_in_lines(path: Path) -> frozenset[str]:
    lines = file_text(path, "--images needs an image a line, or --json and a JSON list").split("\n")
    return _at_least_one(path, filter(None, map(str.strip, lines)))


def _names_in_json(path: Path) -> frozenset[str]:
    text = file_text(path, "--json needs a list of names, or one name a line")
    try:
        names = json.loads(text) if text.lstrip().startswith("[") else [json.loads(line) for line in _lines(text)]
    except ValueError as error:
        raise SettingsError(
            f"--images {path} is no JSON: {error}; write a list of names, or one name a line"
        ) from error
    if wrong := [name for name in names if not isinstance(name, str) or not name]:
        raise SettingsError(f"--images {path} holds {wrong[0]!r}, which is no name; write names as JSON texts")
    return _at_least_one(path, map(_as_tables_have_it, names))


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _as_tables_have_it(name: str) -> str:
    """A name with escapes for bytes that are no UTF-8."""
    try:
        return printable(name)
    except UnicodeEncodeError:  # half a surrogate pair, which names nothing
        return name.encode("utf-8", "backslashreplace").decode()


def _at_least_one(path: Path, names: Iterable[str]) -> frozenset[str]:
    if not (named := frozenset(names)):
        raise SettingsError(f"--images {path} names no image; write one a line, as the table of captions names them")
    return named


def describe_exposure(exposed: Any) -> str:
    """A line for a person: how a version used a forgotten image, and the way to remove the version."""
    version = exposed.version
    uses = {"train": "was trained on", "val": "was chosen with", "test": "was evaluated on"}
    used = " and ".join(use for split, use in uses.items() if split in exposed.splits)
    through = " and ".join(f"version {each.version}" for each in exposed.through)
    line = (
        f"{version.name} version {version.version} {used} a forgotten image{f', through {through}' if through else ''}; "
        "train anew without the image, then retire this version"
    )
    if "test" not in exposed.splits:
        return line
    return f"{line}: its bundle may hold the image itself, in golden/, until `nightcap gc --versions --yes` removes its files"
