"""References from a COCO captions file, captions from lines of JSON, and their scores for a person."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from rich.table import Table

from nightcap.console import console
from pipeline.core.errors import SettingsError
from pipeline.core.languages import language_code
from pipeline.core.points import points
from pipeline.core.text_files import file_text
from pipeline.metrics.intervals import differences
from pipeline.metrics.normalisation import in_case_of
from pipeline.storage.annotations import captions_by_file_name

if TYPE_CHECKING:
    from pipeline.metrics.scores import Report


def references_of(annotations: Path, written: Callable[[str], str] = str) -> dict[str, list[str]]:
    """The captions of each image that has any, by file name."""
    found = captions_by_file_name(annotations)
    references = {name: [written(text) for text in texts] for name, texts in found.items() if texts}
    if not references:
        raise SettingsError(f"{annotations} holds no captions to compare with; name a COCO captions file that has some")
    return references


def read_captions(path: Path, option: str) -> dict[str, str]:
    """Captions by image from lines of JSON, which an option names; lines without a caption are left out."""
    captions: dict[str, str | None] = {}
    for number, line in enumerate(file_text(path, f"{option} needs lines of JSON").split("\n"), start=1):
        if not line.strip():
            continue
        image, caption = _row(line, f"{path}, line {number}")
        if image in captions:
            raise SettingsError(f"{path}, line {number}: image {image!r} has a line already; keep one")
        captions[image] = caption
    return {image: caption for image, caption in captions.items() if caption is not None}


def writing_of(language: str | None) -> Callable[[str], str]:
    """How references and captions of a language are written alike; SettingsError if the code is of none."""
    try:
        return in_case_of(language_code(language) if language else None)
    except ValueError as error:
        raise SettingsError(f"--language: {error}") from error


def match_captions(captions: Mapping[str, str], references: Mapping[str, Any]) -> dict[str, str]:
    """Captions by the name their image has in the references; those of other images are left out.

    A path matches the reference it ends with, else the only one with its base name; SettingsError where two match.
    """
    by_base: dict[str, list[str]] = defaultdict(list)
    for name in references:
        by_base[PurePosixPath(name).name].append(name)
    matched: dict[str, str] = {}
    for image, caption in captions.items():
        reference = _reference_name(image, by_base.get(PurePosixPath(image).name, []))
        if reference is not None and reference in matched:
            raise SettingsError(f"two captions match {reference!r}, one of them for {image!r}; keep one")
        if reference is not None:
            matched[reference] = caption
    return matched


def write_report(report: Report, write: Callable[[str], object], other: Report | None = None) -> None:
    """Write the scores as JSON, with another's and the differences if it is given; on a terminal a table shows them."""
    written = report.as_json()
    if other:
        written["against"] = other.as_json() | {"differences": differences(report, other)}
    write(json.dumps(written, indent=1) + "\n")
    if console.is_terminal:
        table = _table(written)
        console.print(table)


def _table(written: Mapping[str, Any]) -> Table:
    against = written.get("against")
    title = f"{written['images']} images, {written['missing']} without a caption"
    table = Table("measure", "x100", "95% interval", *(["against", "difference, 95%"] if against else []), title=title)
    for name, value in written["scores"].items():
        others = [_score(against["scores"][name]), _ends(against["differences"].get(name))] if against else []
        table.add_row(name, _score(value), _ends(written["intervals"].get(name)), *others)
    return table


def _score(value: float | None) -> str:
    return "-" if value is None else points(value)


def _ends(interval: Sequence[float] | None) -> str:
    return "-" if interval is None else " to ".join(map(points, interval))


def _reference_name(image: str, candidates: list[str]) -> str | None:
    if image in candidates:
        return image
    suffixes = [name for name in candidates if f"/{image}".endswith(f"/{name}")]
    best = [max(suffixes, key=len)] if suffixes else candidates
    if len(best) > 1:
        raise SettingsError(
            f"image {image!r} could be any of {', '.join(best[:3])}; give the path relative to the images"
        )
    return best[0] if best else None


def _row(line: str, where: str) -> tuple[str, str | None]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{where} is not JSON: {line[:60]!r}") from error
    match row:
        case {"image": str(image), "caption": str() | None as caption}:
            return image, caption
    raise SettingsError(f'{where} must be {{"image": "..", "caption": ".." or null}}, and is {line[:60]!r}')
