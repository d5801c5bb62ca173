"""MLflow's SQLite file, made atomically."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

SQLITE = "sqlite:///"


def create_database(uri: str, artifacts: Path) -> None:
    """Make the database behind a `sqlite:///` tracking URI if there is none; other URIs are left alone.

    MLflow makes it in dozens of transactions, so a process stopped meanwhile would leave a file that none can use.
    The default experiment keeps its files in `artifacts`.
    """
    path = Path(uri.removeprefix(SQLITE))
    if not uri.startswith(SQLITE) or path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        logging.getLogger("alembic").setLevel(logging.WARNING)
        store: Any = SqlAlchemyStore  # MLflow types only some of it
        made = Path(scratch) / path.name
        store(f"{SQLITE}{made}", artifacts.as_uri()).engine.dispose()
        if not path.exists():
            made.rename(path)
