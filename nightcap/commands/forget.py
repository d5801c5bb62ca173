"""`nightcap forget`: images leave no trace, and are not captioned again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nightcap.console import echo, show, working
from nightcap.options import TableOption
from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.core.text_files import file_text


def command(
    images: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="File with an image a line, as the table names them.")
    ],
    table: TableOption = None,
) -> None:
    """Remove images' captions, thumbnails, features and snapshot rows for good, and never caption them again."""
    from nightcap.forgetting import forget_images

    named = _read(images)
    home = Home.from_environment()
    with working("forgetting") as show_step:
        done = forget_images(home, named, table or home.captions, show_step)
    show(f"{len(named)} images: {done.rows} rows, {done.nights} nights and {done.files} other files are without them")
    for each in done.exposed:
        echo(describe_exposure(each))


def _read(path: Path) -> frozenset[str]:
    lines = file_text(path, "--images needs an image a line").split("\n")
    named = frozenset(line if "://" in line else str(Path(line).absolute()) for line in map(str.strip, lines) if line)
    if not named:
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
