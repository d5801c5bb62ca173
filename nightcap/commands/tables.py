"""`nightcap tables`: what keeps the tables of captions small and of today's shape."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightcap.console import working

if TYPE_CHECKING:
    from serving.upkeep.tables import Tending

app = typer.Typer(no_args_is_help=True, help="Upkeep of the tables of captions; nights may go on meanwhile.")

_TableOption = Annotated[str | None, typer.Option(help="Delta table of captions; default NIGHTCAP_CAPTIONS.")]


@app.callback()
def tables() -> None:
    """Upkeep of the tables of captions; nights may go on meanwhile."""


@app.command()
def compact(table: _TableOption = None) -> None:
    """Write the history, and the table of corrections, into few files; no row changes."""
    tending = _open(table=table)
    with working("compacting"):
        fewer = tending.compact()
    typer.echo(f"{tending.table.uri} and corrections: {fewer} files fewer")


@app.command()
def vacuum(
    table: _TableOption = None,
    keep_days: Annotated[
        float | None, typer.Option(min=0.0, help="Days of the past that stay, more than a night; default 7.")
    ] = None,
) -> None:
    """Remove files that only versions of the past need, and attempts that nobody will publish."""
    tending = _open(table=table, keep_days=keep_days)
    with working("removing"):
        gone = tending.vacuum()
    typer.echo(
        f"{tending.table.uri} and corrections: removed {gone['files']} files and {gone['attempts']} unpublished attempts"
    )


@app.command()
def upgrade(table: _TableOption = None) -> None:
    """Add the columns that joined since the tables were made; the next night would, too."""
    tending = _open(table=table)
    added = tending.upgrade()
    told = f"added {', '.join(added)}" if added else "has every column"
    typer.echo(f"{tending.table.uri}: {told}")


def _open(**given: Any) -> Tending:
    from pipeline.core.errors import SettingsError
    from serving.upkeep.tables import Tending

    tending = Tending.of({key: value for key, value in given.items() if value is not None})
    tending = replace(tending, home=tending.home.reaching(given.get("table")))
    if not tending.table.version():
        raise SettingsError(f"no table of captions at {tending.table.uri}; a night makes it")
    return tending
