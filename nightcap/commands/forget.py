"""`nightcap forget`: images leave no trace, and are not captioned again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nightcap.console import console, working
from pipeline.core.errors import SettingsError


def command(
    images: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="File with an image a line, as the table names them.")
    ],
    table: Annotated[str | None, typer.Option(help="Delta table of captions; default NIGHTCAP_CAPTIONS.")] = None,
) -> None:
    """Remove images' captions, thumbnails, features and snapshot rows for good, and never caption them again."""
    from nightcap.forgetting import forget_images
    from pipeline.core.environment import Home

    named = _read(images)
    home = Home.from_environment()
    with working("forgetting") as show:
        done = forget_images(home, named, table or home.captions, show)
    console.print(
        f"{len(named)} images: {done.rows} rows, {done.nights} nights and {done.files} other files are without them"
    )
    for each in done.exposed:
        typer.echo(_told(each))


def _read(path: Path) -> frozenset[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise SettingsError(f"--images {path} is not UTF-8 ({error.reason}); write an image a line") from error
    named = frozenset(_address(line.strip()) for line in lines if line.strip())
    if not named:
        raise SettingsError(f"--images {path} names no image; write one a line, as the table of captions names them")
    return named


def _address(line: str) -> str:
    return line if "://" in line else str(Path(line).absolute())


def _told(exposed: Any) -> str:
    version = exposed.version
    did = {"train": "was trained on", "val": "was chosen with", "test": "was judged on"}
    what = " and ".join(text for split, text in did.items() if split in exposed.splits)
    through = " and ".join(f"version {each.version}" for each in exposed.through)
    told = (
        f"{version.name} version {version.version} {what} a forgotten image{f', through {through}' if through else ''}; "
        "train anew without it, then retire it"
    )
    if "test" not in exposed.splits:
        return told
    return f"{told}: its bundle may hold the image itself, in golden/, until `nightcap gc --versions --yes` removes its files"
