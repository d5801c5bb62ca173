"""`nightcap pick`: which images are most worth a person's caption."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightcap.captioning import DEFAULT_MODEL, ModelOption, load_model
from nightcap.console import show, working
from nightcap.options import CorrectionsOption, TableOption
from nightcap.output import OutputOption, destination
from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.core.spreadsheet import BOM, csv_line

if TYPE_CHECKING:
    from serving.active_learning import PickCandidate

CANDIDATES = 4  # considered for each image that is picked, the most doubtful first


def command(
    n: Annotated[int, typer.Option("--n", min=1, max=100_000, help="How many images.")] = 500,
    folder: Annotated[
        str | None,
        typer.Option(
            "--input", help="Only below this folder or s3://bucket/prefix, with what no night has captioned there."
        ),
    ] = None,
    table: TableOption = None,
    corrections: CorrectionsOption = None,
    pool: Annotated[
        int | None, typer.Option(min=1, help="Of how many of the most doubtful; default four times --n.")
    ] = None,
    model: ModelOption = DEFAULT_MODEL,
    output: OutputOption = None,
) -> None:
    """List the images whose captions by people would teach a model most: it is unsure of them, and they differ.

    A line of JSON an image, or with --output FILE.csv a table whose empty column `caption` waits for a person and
    that `nightcap correct` then takes. What people captioned or corrected already is left out.
    """
    from pipeline.model.captioner import BundleCaptioner
    from pipeline.storage.forgotten import heeding_forgotten
    from pipeline.storage.tables import CaptionTable
    from pipeline.storage.tables.corrections import CorrectionTable
    from serving.active_learning import pick
    from serving.runs.places import Places

    home = Home.from_environment()
    corrected = {each.image for each in CorrectionTable(corrections or home.store / "corrections").read()}
    captioner = load_model(model, None)
    if not isinstance(captioner, BundleCaptioner):
        raise SettingsError(
            f"--model {model} is an external captioner, which has no image features; name a model that Nightcap trained"
        )
    captions = Places.of(home).require_table(CaptionTable(table or home.captions))
    if table and not folder and not captions.is_there():
        raise SettingsError(f"there is no table of captions at --table {table}; name one, or a folder with --input")
    with working("picking"):
        picked = pick(captions, captioner, n, pool or CANDIDATES * n, folder, corrected)
    with heeding_forgotten(home.store) as forgotten, destination(output) as write:
        picked = [each for each in picked if each.image not in forgotten]
        for line in _table(picked) if output and output.suffix == ".csv" else _lines(picked):
            write(line)
    reasons = Counter(each.reason for each in picked)
    counts = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    show(f"{len(picked)} images{f': {counts}' if counts else ''}")


def _lines(picked: Sequence[PickCandidate]) -> Iterator[str]:
    for each in picked:
        yield json.dumps({"image": each.image, "said": each.caption, **_numbers(each)}, ensure_ascii=False) + "\n"


def _table(picked: Sequence[PickCandidate]) -> Iterator[str]:
    yield BOM + csv_line(["image", "caption", "said", "reason", "confidence", "score", "distance"])
    for each in picked:
        yield csv_line([each.image, "", each.caption or "", *_numbers(each).values()])


def _numbers(candidate: PickCandidate) -> dict[str, Any]:
    numbers = {name: getattr(candidate, name) for name in ("confidence", "score", "distance")}
    return {"reason": candidate.reason} | {
        name: None if value is None else round(value, 6) for name, value in numbers.items()
    }
