"""`nightcap backup`: what the services `backup` and `restore` of docker-compose.yml do beside pg_dump."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightcap.console import echo, working
from pipeline.core.environment import Home
from pipeline.upkeep.backup.catalog import Shelf, check_backup
from pipeline.upkeep.backup.stack import begin_backup, finish_backup, require_restorable, restore_backup

app = typer.Typer(
    no_args_is_help=True, help="Parts of `docker compose run --rm backup` and `restore`, which are what to call."
)

ShelfArgument = Annotated[Path, typer.Argument(help="Folder of the backups.")]
BackupNameOption = Annotated[str | None, typer.Option(help="Which backup; default the newest.")]


@app.command()
def begin(folder: ShelfArgument) -> None:
    """Copy nights, captions and the promotion journal; pg_dump comes after it, then `finish`."""
    with working("copying captions and promotions"):
        begin_backup(Home.from_environment(), Shelf(folder))


@app.command()
def finish(
    folder: ShelfArgument,
    images: Annotated[bool, typer.Option("--pictures/--no-pictures", help="Also bucket `pictures`.")] = False,
) -> None:
    """Copy MLflow's artifacts and the store, write the digests, and give the backup its name."""
    with working("copying models and outputs"):
        made = finish_backup(Home.from_environment(), Shelf(folder), images)
    echo(f"{made} is whole")


@app.command()
def check(
    folder: ShelfArgument,
    name: BackupNameOption = None,
    restorable: Annotated[
        bool, typer.Option("--restorable", help="Also that nothing lies where it would be restored.")
    ] = False,
) -> None:
    """Compare a backup with its digests."""
    backup = Shelf(folder).choose(name or "")
    with working("reading the backup"):
        if restorable:
            require_restorable(Home.from_environment(), backup)
        else:
            check_backup(backup)
    echo(f"{backup} is whole")


@app.command()
def restore(folder: ShelfArgument, name: BackupNameOption = None) -> None:
    """Write a backup's objects and folders; pg_restore comes before it, and `check --restorable` before that."""
    backup = Shelf(folder).choose(name or "")
    with working("writing models, outputs and captions"):
        restore_backup(Home.from_environment(), backup)
    echo(f"{backup} is restored")
