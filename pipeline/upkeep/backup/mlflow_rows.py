"""Copy MLflow's rows between databases of the same schema revision, such as from SQLite to PostgreSQL."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import sqlalchemy as sa

from pipeline.core.errors import Permanent, RegistryUnavailable, SettingsError
from pipeline.registry.versions import REMOVED_TAG

Tables = dict[str, sa.Table]  # by name

REVISION_TABLE = "alembic_version"
_OF_THE_SERVER = {REVISION_TABLE, "job_locks", "scheduler_leases"}  # each server's own, and of the moment
_MADE = {"experiments", "workspaces"}  # with the default one in it from the beginning
_BATCH = 1000
_DEFAULT = 0  # the id of the experiment that every database has
_ROOT = re.compile(r"file:.*/store/mlflow(?=/|$)")
# Where MLflow keeps an address of files.
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def copy_rows(file: Path, target_uri: str, artifacts: str, dry_run: bool = False) -> dict[str, int]:
    """Copy every row of a SQLite file into an empty database, in one transaction; the number of rows by table.

    MLflow has made both, and used the target at most for its default experiment; `dry_run` rolls the transaction back.
    `artifacts`, such as `s3://mlflow`, replaces texts that begin `file:///home/me/.nightcap/store/mlflow`.
    """
    with _reading(file) as source, _writing(target_uri, dry_run) as target:
        tables, target_tables = _matching_tables(source, target, str(file))
        relocated = _relocation(_artifact_roots(source, tables), artifacts)
        for name in reversed(target_tables):
            target.execute(sa.delete(target_tables[name]))
        counts = {name: _copy(source, tables[name], target, table, relocated) for name, table in target_tables.items()}
        if not dry_run:
            _continue_numbers(target, target_tables)  # a rollback would not undo it
        return counts


def require_fit(file: Path, target_uri: str) -> tuple[str, ...]:
    """Check both databases as `copy_rows`; the paths of versions' files, below the home's folder of artifacts."""
    with _reading(file) as source, _writing(target_uri, dry_run=True) as target:
        tables, _ = _matching_tables(source, target, str(file))
        _artifact_roots(source, tables)
        return _version_files(source, tables)


def _matching_tables(source: sa.Connection, target: sa.Connection, file: str) -> tuple[Tables, Tables]:
    """The tables of both sides, each after those that it refers to."""
    _require_same_revision(source, target, file)
    tables, target_tables = (_reflected(each) for each in (source, target))
    shared = {name: table for name, table in target_tables.items() if name in tables and name not in _OF_THE_SERVER}
    _require_empty(target, shared)
    return tables, shared


def _relocation(roots: tuple[str, ...], new: str) -> Callable[[Any], Any]:
    def relocated(value: Any) -> Any:
        if isinstance(value, str) and value.startswith(roots):
            old = next(root for root in roots if value.startswith(root))
            return new + value[len(old) :] if value[len(old) : len(old) + 1] in ("", "/") else value
        return value

    return relocated


def _copy(
    source: sa.Connection, table: sa.Table, target: sa.Connection, into: sa.Table, relocated: Callable[[Any], Any]
) -> int:
    for column in into.columns:
        if isinstance(column.type, sa.JSON):
            column.type.none_as_null = True
    count = 0
    for part in source.execution_options(yield_per=_BATCH).execute(sa.select(table)).mappings().partitions(_BATCH):
        target.execute(sa.insert(into), [{name: relocated(value) for name, value in row.items()} for row in part])
        count += len(part)
    return count


def _continue_numbers(target: sa.Connection, tables: Tables) -> None:
    """Let PostgreSQL number the next row after the last one."""
    if target.dialect.name != "postgresql":
        return
    for column in (column for table in tables.values() for column in table.primary_key.columns):
        name = target.execute(sa.select(sa.func.pg_get_serial_sequence(column.table.name, column.name))).scalar()
        last = target.execute(sa.select(sa.func.max(column))).scalar() if name else None
        if last is not None:
            target.execute(sa.select(sa.func.setval(name, max(int(last), 1))))


def _require_same_revision(source: sa.Connection, target: sa.Connection, file: str) -> None:
    ours, theirs = (_revision(each) for each in (source, target))
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


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(REVISION_TABLE):
        return None
    return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar())


def _require_empty(target: sa.Connection, tables: Tables) -> None:
    # An experiment matters without runs, too: the permissions of accounts name its number.
    experiments = tables["experiments"]
    held = {name: sa.select(table) for name, table in tables.items() if name not in _MADE}
    held["experiments"] = sa.select(experiments).where(experiments.c.experiment_id != _DEFAULT)
    counts = {
        name: target.execute(sa.select(sa.func.count()).select_from(of.subquery())).scalar()
        for name, of in sorted(held.items())
    }
    held_rows = [f"{count} {name}" for name, count in counts.items() if count]
    if held_rows:
        raise Permanent(
            f"{_shown(target)} already holds {', '.join(held_rows)}; a home moves only into an MLflow that was never used: before "
            "the stack's first whole start, or after `docker compose --profile '*' down --volumes`, which removes all there is"
        )


def _artifact_roots(source: sa.Connection, tables: Tables) -> tuple[str, ...]:
    """The folders of the home's artifacts; several if the home was moved."""
    roots = set()
    for name, column in _ADDRESSES:
        address = tables[name].c[column]
        for place in source.execute(sa.select(address).distinct()).scalars():
            root = _ROOT.match(place or "")
            if root is None and (place or "").startswith(("file:", "/")):
                raise SettingsError(
                    f"MLflow's {name}.{column} names {place}, which is in no home and would be left behind; delete that "
                    "run or model for good, or copy its files to an address that the stack reaches and name that"
                )
            roots |= {root[0]} if root else set()
    return tuple(sorted(roots))


def _version_files(source: sa.Connection, tables: Tables) -> tuple[str, ...]:
    versions, tags = tables["model_versions"].c, tables["model_version_tags"].c
    removed = sa.exists().where(
        tags.workspace == versions.workspace,
        tags.name == versions.name,
        tags.version == versions.version,
        tags.key == REMOVED_TAG,
    )
    places = source.execute(sa.select(sa.func.coalesce(versions.storage_location, versions.source)).where(~removed))
    roots = ((place, _ROOT.match(place or "")) for place in places.scalars())
    return tuple(unquote(place[root.end() + 1 :]) for place, root in roots if root)


def _reflected(connection: sa.Connection) -> Tables:
    schema = sa.MetaData()
    schema.reflect(connection)
    return {table.name: table for table in schema.sorted_tables}


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
        reason = " ".join(str(getattr(error, "orig", error)).split())[:300]
        raise RegistryUnavailable(f"MLflow's database {where}: {reason}") from error


def _shown(connection: sa.Connection) -> str:
    return connection.engine.url.render_as_string(hide_password=True)
