"""`nightcap tables`: what keeps the tables of captions small and of today's shape."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nightcap.console import echo, working
from nightcap.options import CorrectionsOption, given, setting_options
from pipeline.core.errors import SettingsError
from serving.upkeep.tables import Tending, TendingSettings

if TYPE_CHECKING:
    from pipeline.storage.tables.repair import Repaired

app = typer.Typer(no_args_is_help=True, help="Upkeep of the tables of captions; nights may go on meanwhile.")


@app.command()
@setting_options(TendingSettings, "table")
def compact(**options: Any) -> None:
    """Write the history, and what people said, into few files; no row changes."""
    tending = _open(options)
    with working("compacting"):
        fewer = tending.compact() + sum(each.compact() for each in tending.said_by_people)
    echo(f"{tending.table.uri}, corrections and reviews: {fewer} files fewer")


@app.command()
@setting_options(TendingSettings, "table", "keep_days")
def vacuum(**options: Any) -> None:
    """Remove files that only versions of the past need, and attempts that nobody will publish."""
    tending = _open(options)
    with working("removing"):
        gone = tending.vacuum()
        gone["files"] += sum(each.vacuum(tending.settings.keep_days) for each in tending.said_by_people)
    echo(
        f"{tending.table.uri}, corrections and reviews: removed {gone['files']} files and {gone['attempts']} unpublished "
        "attempts"
    )


@app.command()
@setting_options(TendingSettings, "table")
def upgrade(**options: Any) -> None:
    """Add the columns that joined since the tables were made; the next night would, too."""
    tending = _open(options)
    added = ", ".join(tending.upgrade())
    echo(f"{tending.table.uri}: {f'added {added}' if added else 'has every column'}")


@app.command()
@setting_options(TendingSettings, "table")
def repair(corrections: CorrectionsOption = None, **options: Any) -> None:
    """Leave files out of the tables that are gone, empty or cut, as after a power cut; no night may be at work.

    Rows of lost commits whose files are whole are taken in again, as are corrections that the captions have. A lost
    commit of a compaction, a withdrawal or a forgetting is undone: do it again.
    """
    tending = _tending(options)
    if corrections and not any(Path(corrections).glob("*")):
        raise SettingsError(f"--corrections {corrections} holds no table; name the folder of one")
    if any(Path(tending.table.uri).glob("*")):
        _show(tending.table.uri, tending.repair())
    elif not corrections and not any(path for each in tending.said_by_people for path in Path(each.uri).glob("*")):
        raise _no_table(tending)
    done = tending.repair_corrections(corrections)
    if done.files:
        _show(corrections or tending.corrections.uri, done, also=" and of the captions")
    for uri, done in tending.repair_reviews().items():
        if done.files:
            _show(uri, done)


def _show(uri: str, done: Repaired, also: str = "") -> None:
    echo(
        f"{uri}: {len(done.files)} damaged files left out{''.join(f', {name}' for name in done.files)}; "
        f"{done.rows} rows lost with them, {done.found} rows of lost commits{also} taken in again"
    )


def _tending(options: dict[str, Any]) -> Tending:
    tending = Tending.of(given(options))
    return replace(tending, home=tending.home.reaching(options["table"]))


def _open(options: dict[str, Any]) -> Tending:
    tending = _tending(options)
    if not tending.present_table.version():
        raise _no_table(tending)
    return tending


def _no_table(tending: Tending) -> SettingsError:
    return SettingsError(f"no table of captions at {tending.present_table.uri}; a night makes it")
