"""`nightcap correct`: say what is in pictures where a model was wrong."""

from __future__ import annotations

import csv
import getpass
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import SettingsError

if TYPE_CHECKING:
    from pipeline.table.corrections import Correction


def command(
    file: Annotated[
        Path, typer.Argument(help="CSV file with the columns image and caption, and perhaps who and when.")
    ],
    who: Annotated[str | None, typer.Option(help="Who says so, where the file does not; default this user.")] = None,
    table: Annotated[
        str | None, typer.Option(help="Delta table of corrections; default corrections in NIGHTCAP_STORE.")
    ] = None,
) -> None:
    """Add people's captions to the table of corrections; they join the next training's snapshot.

    Pictures are named as the table of captions names them. Of each person the newest caption of a picture counts.
    """
    from pipeline.home import Home
    from pipeline.table.corrections import CorrectionTable

    found = CorrectionTable(table or Home.from_environment().store / "corrections")
    typer.echo(f"{found.append(list(_read(file, who or getpass.getuser())))} corrections in {found.uri}")


def _read(file: Path, who: str) -> Iterator[Correction]:
    from pipeline.objects import address_of
    from pipeline.table.corrections import Correction

    now = datetime.now(UTC)
    for line, row in enumerate(_rows(file), 2):
        try:
            when = datetime.fromisoformat(row["when"]) if row.get("when") else now
            yield Correction(address_of(row["image"]), row["caption"], row.get("who") or who, when)
        except (ValueError, KeyError, SettingsError) as error:
            raise SettingsError(
                f"{file}:{line}: {error}; a line is image, caption, and perhaps who and when"
            ) from error


def _rows(file: Path) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = csv.DictReader(opened)
            missing = {"image", "caption"} - set(rows.fieldnames or ())
            if missing:
                raise SettingsError(f"{file} lacks the columns {', '.join(sorted(missing))}; its first line names them")
            return list(rows)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"cannot read {file}: {error}; give a CSV file in UTF-8") from error
