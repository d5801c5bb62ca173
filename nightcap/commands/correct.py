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
    from pipeline.storage.tables.corrections import CorrectionTable
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
    replaces one, and the outputs of nights that hold its image are written again. --undo ends with 3 if some of the
    corrections are not there.
    """
    from nightcap.corrections_file import of_known_images, read_corrections
    from pipeline.storage.forgotten import heeding_forgotten
    from pipeline.storage.tables.corrections import CorrectionTable
    from serving.upkeep.correct import corrected_table, publish_corrections

    home = Home.from_environment()
    corrected_table(home)  # before a correction is kept or taken back
    corrections = CorrectionTable(table or home.store / "corrections")
    if undo:
        _take_back(corrections, file, who, home)
        return
    given = read_corrections(Path(file), who)
    known = of_known_images(Path(file), given, home)
    with heeding_forgotten(home.store) as forgotten:
        found = [each for each in known if each.image not in forgotten]
        count = corrections.append(found)
        nights = publish_corrections(home, corrections, {each.image for each in found})
    if len(known) > count:
        echo(f"{len(known) - count} corrections are of forgotten images and left out")
    people = Counter(each.who for each in found)
    said_by = ", ".join(f"{number} by {person}" for person, number in people.items())
    echo(f"{count} corrections{f' ({said_by})' if said_by else ''} in {corrections.uri}{_written(nights)}")


def _take_back(corrections: CorrectionTable, named: str, who: str | None, home: Home) -> None:
    """Remove the corrections of an image, or those of a file."""
    from nightcap.corrections_file import name_of_person, read_corrections
    from pipeline.storage.name_matching import match_names
    from serving.upkeep.correct import withdraw_corrections

    known = [each.image for each in corrections.read()]
    rows: set[tuple[str | None, str, str]] = set()
    if "://" in named or kind_of(named) == "image":
        names = match_names([named], known)
        found = names.found.get(named)
        people = None if who is None else {who, name_of_person(who)}
        taken = corrections.take_back(lambda each: each.image == found and (people is None or each.who in people))
    else:
        given = read_corrections(Path(named), who).values()
        names = match_names((each.image for each in given), known, (home.input,))
        rows = {(names.found.get(each.image), each.who, each.caption) for each in given}
        taken = corrections.take_back(lambda each: (each.image, each.who, each.caption) in rows)
    others = rows - {(each.image, each.who, each.caption) for each in taken}
    left = [names.unknown_named(), *sorted(f"{image!r} by {person}" for image, person, _ in others if image)[:_SHOWN]]
    lacking = f"{corrections.uri} has no such correction of {', '.join(filter(None, left))}"
    if not taken:
        raise SettingsError(f"{named}: {lacking}; name the image as it does, and who wrote it with --who")
    nights = withdraw_corrections(home, taken)
    echo(f"{len(taken)} corrections taken back from {corrections.uri}{_written(nights)}")
    if any(left):
        echo(lacking)
        raise typer.Exit(3)


def _written(nights: list[Plan]) -> str:
    return f"; outputs of {len(nights)} nights were written again" if nights else ""
