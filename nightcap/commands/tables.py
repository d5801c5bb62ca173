"""`nightcap tables`: what keeps the tables of captions small and of today's shape."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import typer

from nightcap.console import echo, working
from nightcap.options import given, setting_options
from pipeline.core.errors import SettingsError
from serving.upkeep.tables import Tending, TendingSettings

app = typer.Typer(no_args_is_help=True, help="Upkeep of the tables of captions; nights may go on meanwhile.")


@app.command()
@setting_options(TendingSettings, "table")
def compact(**options: Any) -> None:
    """Write the history, and the table of corrections, into few files; no row changes."""
    tending = _open(options)
    with working("compacting"):
        fewer = tending.compact()
    echo(f"{tending.table.uri} and corrections: {fewer} files fewer")


@app.command()
@setting_options(TendingSettings, "table", "keep_days")
def vacuum(**options: Any) -> None:
    """Remove files that only versions of the past need, and attempts that nobody will publish."""
    tending = _open(options)
    with working("removing"):
        gone = tending.vacuum()
    echo(
        f"{tending.table.uri} and corrections: removed {gone['files']} files and {gone['attempts']} unpublished attempts"
    )


@app.command()
@setting_options(TendingSettings, "table")
def upgrade(**options: Any) -> None:
    """Add the columns that joined since the tables were made; the next night would, too."""
    tending = _open(options)
    added = ", ".join(tending.upgrade())
    echo(f"{tending.table.uri}: {f'added {added}' if added else 'has every column'}")


def _open(options: dict[str, Any]) -> Tending:
    tending = Tending.of(given(options))
    tending = replace(tending, home=tending.home.reaching(options["table"]))
    if not tending.table.version():
        raise SettingsError(f"no table of captions at {tending.table.uri}; a night makes it")
    return tending
