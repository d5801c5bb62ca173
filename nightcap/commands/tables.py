"""`nightcap tables`: what keeps the tables of captions small and of today's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nightcap.console import working

if TYPE_CHECKING:
    from pipeline.table import CaptionTable

app = typer.Typer(no_args_is_help=True, help="Upkeep of the tables of captions.")

Table = Annotated[str | None, typer.Option(help="Delta table of captions; default captions in NIGHTCAP_STORE.")]
KeepDays = Annotated[
    float, typer.Option(min=0.0, help="Days that earlier versions and unpublished attempts stay; more than a night.")
]


@app.callback()
def tables() -> None:
    """Upkeep of the tables of captions."""


@app.command()
def compact(table: Table = None) -> None:
    """Write the history into few files; no row changes."""
    from pipeline.table.upkeep import compact as compact_table

    found = _open(table)
    with working("compacting"):
        gone = compact_table(found)
    typer.echo(f"{found.uri}: {gone} files fewer")


@app.command()
def vacuum(table: Table = None, keep_days: KeepDays = 7.0) -> None:
    """Remove files that only versions older than a week need, and what attempts that died have left."""
    from pipeline.home import Home
    from pipeline.table.upkeep import vacuum as vacuum_table
    from serving.leftovers import clear_attempts

    found = _open(table)
    with working("removing"):
        gone = vacuum_table(found, keep_days)
        attempts = clear_attempts(Home.from_environment().store, keep_days)
    typer.echo(f"{found.uri}: removed {gone} files and {attempts} unpublished attempts")


@app.command()
def upgrade(table: Table = None) -> None:
    """Add the columns that joined since the tables were made."""
    from pipeline.table.upkeep import upgrade as upgrade_table

    found = _open(table)
    added = upgrade_table(found)
    told = f"added {', '.join(added)}" if added else "has every column"
    typer.echo(f"{found.uri}: {told}")


def _open(table: str | None) -> CaptionTable:
    from pipeline.errors import SettingsError
    from pipeline.home import Home
    from pipeline.table import CaptionTable

    found = CaptionTable(table or Home.from_environment().captions)
    if not found.version():
        raise SettingsError(f"no table of captions at {found.uri}; a night makes it")
    return found
