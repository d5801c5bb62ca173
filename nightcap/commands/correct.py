"""`nightcap correct`: say what is in images where a model was wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightcap.console import echo
from nightcap.options import CorrectionsOption
from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.storage.objects import kind_of

if TYPE_CHECKING:
    from pipeline.storage.tables.corrections import Correction, CorrectionTable
    from serving.runs.plan_file import Plan

_SHOWN = 5  # corrections that are not there, in a message


def command(
    file: Annotated[
        str,
        typer.Argument(
            help="CSV file with the columns image and caption, and perhaps who and when; quote captions with commas. "
            "With --undo also an image."
        ),
    ],
    who: Annotated[str | None, typer.Option(help="Who says so, where the file does not; default this user.")] = None,
    table: CorrectionsOption = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take back the file's corrections, or those of one image (by --who).")
    ] = False,
) -> None:
    """Add people's captions to the table of corrections: they are current at once, and join the next training's snapshot.

    Images are named as the table of captions names them. Of each person the newest caption of an image counts. No night
    replaces one, and the outputs of nights that hold its image say it at once. --undo ends with 3 if some of the
    corrections are not there.
    """
    from nightcap.corrections_file import of_known_images, read_corrections
    from pipeline.storage.forgotten import heeding_forgotten
    from pipeline.storage.tables.corrections import CorrectionTable
    from serving.upkeep.correct import publish_corrections

    home = Home.from_environment()
    corrections = CorrectionTable(table or home.store / "corrections")
    if undo:
        _take_back(corrections, file, who, home)
        return
    given = read_corrections(Path(file), who)
    known = of_known_images(Path(file), given, home)
    with heeding_forgotten(home.store) as forgotten:
        found = [each for each in known if each.image not in forgotten]
        nights = publish_corrections(home, corrections, found)
    if len(known) > len(found):
        echo(f"{len(known) - len(found)} corrections are of forgotten images and left out")
    people = Counter(each.who for each in found)
    said_by = ", ".join(f"{number} by {person}" for person, number in people.items())
    echo(f"{len(found)} corrections{f' ({said_by})' if said_by else ''} in {corrections.uri}{_written(nights)}")


def _take_back(corrections: CorrectionTable, named: str, who: str | None, home: Home) -> None:
    """Remove the corrections of an image, or those of a file."""
    from nightcap.corrections_file import name_of_person, read_corrections
    from pipeline.storage.name_matching import match_names
    from serving.upkeep.correct import withdraw_corrections

    known = [each.image for each in corrections.read()]
    rows: set[tuple[str | None, str, str]] = set()
    if "://" in named or kind_of(named) == "image":
        names = match_names([named], known)
    else:
        given = read_corrections(Path(named), who).values()
        names = match_names((each.image for each in given), known, (home.input,))
        rows = {(names.found.get(each.image), each.who, each.caption) for each in given}

    def said(each: Correction) -> tuple[str | None, str, str]:  # an earlier version kept names as they were typed
        return each.image, name_of_person(each.who), each.caption

    def is_unwanted(each: Correction) -> bool:
        if rows:
            return said(each) in rows
        return each.image == names.found.get(named) and (who is None or name_of_person(each.who) == name_of_person(who))

    taken, nights = withdraw_corrections(home, corrections, is_unwanted)
    others = rows - set(map(said, taken))
    left = [names.unknown_named(), *sorted(f"{image!r} by {person}" for image, person, _ in others if image)[:_SHOWN]]
    lacking = f"{corrections.uri} has no such correction of {', '.join(filter(None, left))}"
    if not taken:
        raise SettingsError(f"{named}: {lacking}; name the image as it does, and who wrote it with --who")
    echo(f"{len(taken)} corrections taken back from {corrections.uri}{_written(nights)}")
    if any(left):
        echo(lacking)
        raise typer.Exit(3)


def _written(nights: list[Plan]) -> str:
    return f"; outputs of {len(nights)} nights were written again" if nights else ""
