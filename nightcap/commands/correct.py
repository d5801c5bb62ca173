"""`nightcap correct`: say what is in images where a model was wrong."""

from __future__ import annotations

import csv
import getpass
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightcap.console import echo
from nightcap.options import CorrectionsOption
from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.core.spreadsheet import text_of
from pipeline.storage.objects import address_of

if TYPE_CHECKING:
    from pipeline.storage.tables.corrections import Correction


def command(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV file with the columns image and caption, and perhaps who and when; quote captions with commas."
        ),
    ],
    who: Annotated[str | None, typer.Option(help="Who says so, where the file does not; default this user.")] = None,
    table: CorrectionsOption = None,
) -> None:
    """Add people's captions to the table of corrections; they join the next training's snapshot.

    Images are named as the table of captions names them. Of each person the newest caption of an image counts.
    """
    from pipeline.storage.tables.corrections import CorrectionTable

    corrections = CorrectionTable(table or Home.from_environment().store / "corrections")
    count = corrections.append(list(_read(file, who or getpass.getuser())))
    echo(f"{count} corrections in {corrections.uri}")


def _read(file: Path, who: str) -> Iterator[Correction]:
    from pipeline.storage.tables.corrections import Correction

    now = datetime.now(UTC)
    for line, row in _rows(file):
        try:
            when = datetime.fromisoformat(row["when"]) if row.get("when") else now
            yield Correction(address_of(row["image"]), row["caption"], row.get("who") or who, when)
        except (ValueError, KeyError, SettingsError) as error:
            raise SettingsError(
                f"{file}:{line}: {error}; a line is image, caption, and perhaps who and when"
            ) from error


def _rows(file: Path) -> list[tuple[int, dict[str, str]]]:
    """The fields of each line that is not empty, by column, with its number."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream)
            columns = next(rows, [])
            missing = {"image", "caption"} - set(columns)
            if missing:
                raise SettingsError(f"{file} lacks the columns {', '.join(sorted(missing))}; its first line names them")
            return [(rows.line_num, _fields(f"{file}:{rows.line_num}", columns, row)) for row in rows if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"cannot read {file}: {error}; give a CSV file in UTF-8") from error


def _fields(place: str, columns: list[str], row: list[str]) -> dict[str, str]:
    if len(row) != len(columns):
        raise SettingsError(
            f"{place}: {len(row)} fields, where the first line names {len(columns)} ({', '.join(columns)}); put captions "
            'with commas in quotation marks, and leave no field out: "a dog, running"'
        )
    return dict(zip(columns, map(text_of, row), strict=True))
