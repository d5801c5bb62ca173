"""MLflow's rows from one database to another of the same form, such as from SQLite to PostgreSQL."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from pipeline.errors import RegistryUnavailable, SettingsError, TargetNotEmpty

FORM = "alembic_version"
_BATCH = 1000
_DEFAULT = 0  # the id of the experiment that every database has
_ROOT = re.compile(r"file:.*/store/mlflow(?=/|$)")
_TOLD = ("runs", "registered_models", "logged_models", "trace_info")
# Where MLflow keeps an address of files.
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def copy_rows(file: Path, target_uri: str, artifacts: str, dry_run: bool = False) -> dict[str, int]:
    """Copy every row of a SQLite file into an empty database, all of them or none.

    Args:
        file: MLflow's SQLite file; it is only read.
        target_uri: of a database that MLflow has made and not used, or used for its default experiment only.
        artifacts: what becomes of `file:///home/me/.nightcap/store/mlflow` wherever a text begins so, such as `s3://mlflow`.
        dry_run: try it, and take it back.

    Returns:
        How many rows each table got.

    Raises:
        SettingsError: the file is none of MLflow's, the databases differ in their form, or artifacts lie elsewhere.
        TargetNotEmpty: the target has experiments, runs or models.
        RegistryUnavailable: a database cannot be reached, or refuses a row.
    """
    with _reading(file) as source, _writing(target_uri, dry_run) as target:
        _require_one_form(source, target, str(file))
        tables, there = _reflected(source), _reflected(target)
        _require_empty(target, there)
        roots = _artifact_roots(source, tables)
        names = [table.name for table in there.sorted_tables if table.name in tables.tables and table.name != FORM]
        for name in reversed(names):
            target.execute(sa.delete(there.tables[name]))
        return {
            name: _copy(source, tables.tables[name], target, there.tables[name], _moved(roots, artifacts))
            for name in names
        }


def require_empty(target_uri: str, file: Path) -> None:
    """Raise what `copy_rows` would because of the target's form or rows."""
    with _reading(file) as source, _writing(target_uri, dry_run=True) as target:
        _require_one_form(source, target, str(file))
        _require_empty(target, _reflected(target))


def _moved(roots: tuple[str, ...], new: str) -> Callable[[Any], Any]:
    def moved(value: Any) -> Any:
        if isinstance(value, str) and value.startswith(roots):
            old = next(root for root in roots if value.startswith(root))
            return new + value[len(old) :] if value[len(old) : len(old) + 1] in ("", "/") else value
        return value

    return moved


def _copy(
    source: sa.Connection, table: sa.Table, target: sa.Connection, into: sa.Table, moved: Callable[[Any], Any]
) -> int:
    for column in into.columns:
        if isinstance(column.type, sa.JSON):
            column.type.none_as_null = True
    count = 0
    for part in source.execution_options(yield_per=_BATCH).execute(sa.select(table)).mappings().partitions(_BATCH):
        target.execute(sa.insert(into), [{name: moved(value) for name, value in row.items()} for row in part])
        count += len(part)
    _count_on(target, into)
    return count


def _count_on(target: sa.Connection, table: sa.Table) -> None:
    """Let PostgreSQL number the next row after the last one."""
    if target.dialect.name != "postgresql":
        return
    for column in table.primary_key.columns:
        name = target.execute(sa.select(sa.func.pg_get_serial_sequence(table.name, column.name))).scalar()
        last = target.execute(sa.select(sa.func.max(column))).scalar() if name else None
        if last is not None:
            target.execute(sa.select(sa.func.setval(name, max(int(last), 1))))


def _require_one_form(source: sa.Connection, target: sa.Connection, file: str) -> None:
    ours, theirs = (_form(each) for each in (source, target))
    if ours is None:
        raise SettingsError(f"{file} is no database of MLflow's; name the home of an embedded Nightcap")
    if theirs is None:
        raise SettingsError(
            f"{_shown(target)} has no tables of MLflow's yet; start MLflow's server once, it makes them"
        )
    if ours != theirs:
        raise SettingsError(
            f"{file} has MLflow's tables of {ours}, {_shown(target)} of {theirs}; back the older one up, then upgrade it "
            "with this MLflow: mlflow db upgrade URI, such as sqlite:////absolute/path/mlflow.db"
        )


def _form(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(FORM):
        return None
    return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar())


def _require_empty(target: sa.Connection, tables: sa.MetaData) -> None:
    # Also without runs an experiment matters: what an account may do is said of its number.
    others = sa.select(tables.tables["experiments"]).where(tables.tables["experiments"].c.experiment_id != _DEFAULT)
    held = {"experiments": others, **{name: sa.select(tables.tables[name]) for name in _TOLD}}
    counts = {
        name: target.execute(sa.select(sa.func.count()).select_from(of.subquery())).scalar()
        for name, of in held.items()
    }
    told = [f"{count} {name}" for name, count in counts.items() if count]
    if told:
        raise TargetNotEmpty(
            f"{_shown(target)} already holds {', '.join(told)}; a home moves only into an MLflow that was never used: before "
            "the stack's first whole start, or after `docker compose --profile '*' down --volumes`, which removes all there is"
        )


def _artifact_roots(source: sa.Connection, tables: sa.MetaData) -> tuple[str, ...]:
    """Where the home had its artifacts; more than one, if it was copied from place to place."""
    found = set()
    for name, column in _ADDRESSES:
        address = tables.tables[name].c[column]
        for place in source.execute(sa.select(address).distinct()).scalars():
            root = _ROOT.match(place or "")
            if root is None and (place or "").startswith(("file:", "/")):
                raise SettingsError(
                    f"MLflow's {name}.{column} names {place}, which is in no home and would be left behind; delete that "
                    "run or model for good, or copy its files to an address that the stack reaches and name that"
                )
            found |= {root[0]} if root else set()
    return tuple(sorted(found))


def _reflected(connection: sa.Connection) -> sa.MetaData:
    found = sa.MetaData()
    found.reflect(connection)
    return found


@contextmanager
def _reading(file: Path) -> Iterator[sa.Connection]:
    engine = sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)
    )
    with _translated(str(file)), engine.connect() as connection:
        yield connection
    engine.dispose()


@contextmanager
def _writing(uri: str, dry_run: bool) -> Iterator[sa.Connection]:
    engine = sa.create_engine(uri)
    with _translated(engine.url.render_as_string(hide_password=True)), engine.connect() as connection:
        yield connection
        (connection.rollback if dry_run else connection.commit)()
    engine.dispose()


@contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        told = " ".join(str(getattr(error, "orig", error)).split())[:300]
        raise RegistryUnavailable(f"MLflow's database {where}: {told}") from error


def _shown(connection: sa.Connection) -> str:
    return connection.engine.url.render_as_string(hide_password=True)
