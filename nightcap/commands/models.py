"""`nightcap models`: what is registered."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from nightcap.console import working

WIDTH = 200  # where there is no terminal to fit into

app = typer.Typer(no_args_is_help=True, help="Registered model versions.")


@app.callback()
def models() -> None:
    """Registered model versions."""


@app.command(name="list")
def list_versions(
    name: Annotated[str | None, typer.Argument(help="One model only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON a version.")] = False,
) -> None:
    """List the registered versions, the newest first."""
    from rich.console import Console

    from pipeline.home import Home
    from pipeline.registry import Registry

    with working("asking MLflow"):
        versions = Registry(Home.from_environment()).versions(name)
    rows = [_row(version) for version in versions]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
    elif not rows:
        typer.echo(f"no version of {name}" if name else "no versions yet; `nightcap train` registers the first")
    else:
        Console(width=None if sys.stdout.isatty() else WIDTH).print(_table(rows))


@app.command()
def foreign(
    model: Annotated[str, typer.Argument(help="models:/name/version or models:/name@alias of an MLflow pyfunc.")],
) -> None:
    """Name a registered captioner that others made, so that nights may run its code in a process of its own.

    Its files and signature are checked, none of it is run. Only this version is named, and only with these files.
    """
    from pipeline.foreign.naming import name_foreign
    from pipeline.home import Home

    with working("checking its files"):
        pinned = name_foreign(Home.from_environment(), model)
    typer.echo(f"{pinned.uri} may caption, with digest {pinned.digest}")


@app.command()
def rollback(
    version: Annotated[str, typer.Argument(help="Number of the version that captions from now on.")],
    name: Annotated[str, typer.Option(help="The model.")] = "captioner",
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Also mark what later versions have captioned as withdrawn.")
    ] = False,
    table: Annotated[
        str | None, typer.Option(help="Delta table to withdraw from; default captions in NIGHTCAP_STORE.")
    ] = None,
) -> None:
    """Make an earlier version the champion again. Pictures whose captions are withdrawn fall back to those before.

    A night of a later version that is under way still publishes its captions: run this again after it.
    """
    from pipeline.home import Home
    from pipeline.registry import CHAMPION, Registry
    from pipeline.table import CaptionTable
    from pipeline.table.changes import withdraw as withdraw_captions

    home = Home.from_environment()
    with working("asking MLflow"):
        registry = Registry(home)
        earlier = registry.resolve(f"models:/{name}/{version}")
        later = [each.version for each in registry.versions(name) if int(each.version) > int(earlier.version)]
        registry.set_alias(name, CHAMPION, earlier.version)
    typer.echo(f"{name} version {earlier.version} is the champion")
    for given_up in later if withdraw else ():
        with working("withdrawing captions"):
            count = withdraw_captions(CaptionTable(table or home.captions), name, given_up)
        typer.echo(f"{count} captions of version {given_up} are withdrawn")


def _row(version: Any) -> dict[str, Any]:
    from pipeline.registry import CIDER_TAG, DIGEST_TAG

    created = datetime.fromtimestamp(version.created_ms / 1000, UTC)
    return {
        "name": version.name,
        "version": version.version,
        "aliases": list(version.aliases),
        "test_cider_d": float(version.tags[CIDER_TAG]) if CIDER_TAG in version.tags else None,
        "bundle_digest": version.tags.get(DIGEST_TAG),
        "created": created.isoformat(timespec="seconds"),
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table()
    for title in ("model", "version", "aliases", "CIDEr-D", "bundle", "created"):
        table.add_column(title, overflow="fold")
    for row in rows:
        score = "-" if row["test_cider_d"] is None else f"{row['test_cider_d']:.3f}"
        digest = (row["bundle_digest"] or "-")[:12]
        table.add_row(row["name"], row["version"], ", ".join(row["aliases"]), score, digest, row["created"][:16])
    return table
