"""A file of corrections, and whether its images are any that a training can read."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.core.text_files import csv_rows
from pipeline.registry.promotions import whoami
from pipeline.storage.name_matching import MatchedNames, match_names
from pipeline.storage.objects import address_of, require_inside
from pipeline.storage.objects.base import EARLIEST
from pipeline.storage.objects.s3_address import SCHEME
from pipeline.storage.tables.corrections import Correction
from pipeline.storage.tables.schema import one_of
from serving.runs.plan_file import WRONG_CLOCK
from serving.runs.roots import roots_of
from serving.upkeep.correct import in_one_form

if TYPE_CHECKING:
    from pipeline.data.sources.corrections import CorrectedImages
    from pipeline.storage.tables import CaptionTable

_NEEDS = "give a CSV file with the columns image and caption, and perhaps who and when"
_SHOWN = 5  # faults in a message
# Several words in lower case that are more likely a caption's end than the name of a person.
_CAPTION_END = re.compile(
    r"^(?=(?:[a-z]+ ){2,}[a-z]+$)"
    r"(?:(?:an?|the|[a-z]{3,}ing) |.* (?:the|in|on|at|of|with|and|is|are|from|near|behind|under|over|into|while) )"
)


def read_corrections(file: Path, who: str | None) -> dict[int, Correction]:
    """The corrections of a CSV file by line, at least one; SettingsError names a wrong line.

    Where a line names no person, they are by `who`, else by this user.
    """
    now, other = datetime.now(UTC), name_of_person(who)
    corrections = {}
    for line, row in csv_rows(file, {"image", "caption"}, _NEEDS):
        try:
            when = _moment(row["when"], now) if row.get("when") else now
            person = _person(row["who"], row["caption"]) if row.get("who", "").strip() else other
            corrections[line] = Correction(row["image"].strip(), row["caption"].strip(), person, when)
        except (ValueError, SettingsError) as error:
            raise SettingsError(
                f"{file}:{line}: {error}; a line is image, caption, and perhaps who and when"
            ) from error
    if not corrections:
        raise SettingsError(f"{file} has no correction; {_NEEDS}")
    return corrections


def of_known_images(file: Path, corrections: Mapping[int, Correction], home: Home) -> list[Correction]:
    """Corrections of images as the table of captions names them, or else by their address.

    Raises SettingsError, which names the lines, for images that neither table nor disk has, or that no root holds.
    """
    from pipeline.storage.tables import CaptionTable

    table, roots = CaptionTable(home.captions), roots_of(home)
    corrected = cache(partial(_corrected_images, roots))
    matched = _matched(table, {each.image for each in corrections.values()}, home)
    wrong = {
        line: fault for line, each in corrections.items() if (fault := _fault(each.image, matched, roots, corrected))
    }
    if wrong:
        shown = "; ".join(f"{file}:{line}: {fault}" for line, fault in list(wrong.items())[:_SHOWN])
        raise SettingsError(
            f"{shown}; {len(wrong)} of {len(corrections)} lines are wrong, so none was added; name images as {table.uri} "
            "does"
        )
    return [
        replace(each, image=matched.found.get(each.image) or address_of(each.image)) for each in corrections.values()
    ]


def _matched(table: CaptionTable, images: Collection[str], home: Home) -> MatchedNames:
    """The table's names of images; one whose UTF-8 was read as Windows-1252 may be the likely one."""
    exact = set(table.images(one_of("image", images)))
    if exact.issuperset(images):
        return MatchedNames({name: name for name in exact}, {})
    mended = {image: _mended(image) for image in images}
    matched = match_names({*images, *mended.values()}, table.images(), (home.input,))
    unknown = {
        name: matched.found.get(mended[name]) or matched.unknown[name] for name in images if name in matched.unknown
    }
    return MatchedNames(matched.found, unknown)


def _corrected_images(roots: Iterable[str]) -> CorrectedImages:
    from pipeline.data.sources.corrections import CorrectedImages  # the image of nights lacks it

    return CorrectedImages(roots)


def _fault(
    image: str, matched: MatchedNames, roots: Iterable[str], corrected: Callable[[], CorrectedImages]
) -> str | None:
    """Why no training can learn from a correction of an image."""
    if image in matched.found:
        try:
            require_inside(matched.found[image], roots)
        except SettingsError as error:
            return str(error)
        return None
    fault: str | None = f"there is no file {image!r}"
    if image.startswith(SCHEME) or Path(image).exists():
        fault = corrected().fault(image)
    likely = f" (perhaps {name!r})" if (name := matched.unknown[image]) else ""
    return f"no night captioned {image!r}{likely}, and {fault}" if fault else None


def _mended(name: str) -> str:
    """A name whose UTF-8 was read as Windows-1252, as it was."""
    try:
        return name.encode("cp1252").decode()
    except UnicodeError:
        return name


def _moment(text: str, now: datetime) -> datetime:
    """A time in ISO 8601 with a zone; SettingsError if a wrong clock told one ahead, which no later caption replaces."""
    when = datetime.fromisoformat(text.strip())
    if when.tzinfo and not EARLIEST <= when <= now + WRONG_CLOCK:
        raise SettingsError(f"when is {text!r}, and now is {now.isoformat(timespec='minutes')}; set it right")
    return when


def _person(who: str, caption: str) -> str:
    """A person's name; SettingsError for the end of a caption that a comma cut, where the line names no person."""
    is_cut = who != who.lstrip() and caption == caption.lstrip()  # a line may have blanks after all its commas
    if is_cut or _CAPTION_END.search(who.strip()):
        raise SettingsError(f"who is {who!r}, like the end of a caption; put captions with commas in quotation marks")
    return name_of_person(who)


def name_of_person(who: str | None) -> str:
    """The name in one form, however it was typed; that of this user where there is none."""
    return in_one_form(who or whoami())
