"""`nightcap move`: from the embedded default to a stack, with every run, version and caption."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from nightcap.console import echo, working
from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError


def command(
    source: Annotated[Path, typer.Argument(help="The embedded home, such as .nightcap; it is only read.")],
    artifacts: Annotated[str, typer.Option(help="Where the stack's MLflow keeps artifacts.")] = "s3://mlflow",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; count what would be moved.")] = False,
) -> None:
    """Move an embedded home into the stack that the environment names, whose MLflow was never used.

    The stack's database is MLFLOW_BACKEND_STORE_URI; its folders, journal and object store are those of NIGHTCAP_HOME,
    NIGHTCAP_CAPTIONS, NIGHTCAP_PROMOTIONS and AWS_*. Airflow's history, features, caches and images stay behind.
    """
    from pipeline.upkeep.backup.move import Move

    database = os.environ.get("MLFLOW_BACKEND_STORE_URI")
    if not database:
        raise SettingsError("MLFLOW_BACKEND_STORE_URI is not set; set it to the database of the stack's MLflow")
    with working("moving"):
        moved = Move(source.absolute(), Home.from_environment(), database, artifacts).run(dry_run)
    rows = ", ".join(f"{name} {count}" for name, count in sorted(moved.rows.items()))
    echo(f"{'would move' if dry_run else 'moved'} {moved.artifacts} files of MLflow, {moved.promotions} promotions,")
    echo(f"{moved.captions} files of captions, {moved.others} of the store, and rows: {rows}")
