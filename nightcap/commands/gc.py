"""`nightcap gc`: what nothing reaches any more goes, once a person has seen it listed."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Annotated

import typer

from nightcap.console import echo, show, working
from pipeline.core.environment import Home
from serving.runs.lifecycle import ended_nights, open_models

_DAY_S = 86_400


def command(
    yes: Annotated[bool, typer.Option("--yes", help="Remove; without it nothing is removed, only listed.")] = False,
    runs: Annotated[int, typer.Option(min=0, help="Trainings that ended last, whose outputs stay.")] = 5,
    keep_days: Annotated[
        float,
        typer.Option(
            min=0.0, help="Days that anything stays after its last use; more than a training or an approval takes."
        ),
    ] = 7.0,
    night_days: Annotated[float, typer.Option(min=0.0, help="Days that files of nights which have ended stay.")] = 90.0,
    versions: Annotated[
        bool, typer.Option("--versions", help="Also files of old registered versions; their entries and tags stay.")
    ] = False,
) -> None:
    """Remove stage outputs, features, checkpoints, cached models and ended nights that nothing reaches.

    What stays: all that aliases, the champion and the version before it, the last trainings, open nights, and whoever
    works now can reach; tables, the registry, the promotion journal and MLflow's runs in any case.
    """
    from pipeline.upkeep.gc.mark import Reachable
    from pipeline.upkeep.gc.sweep import collect, find_garbage
    from pipeline.upkeep.gc.versions import old_versions, remove_files

    home, now = Home.from_environment(), time.time()

    def mark() -> Reachable:
        return Reachable(home, open_models(home.store), runs, now - keep_days * _DAY_S)

    with working("marking what is reachable"):
        reachable = mark()
        old = old_versions(reachable) if versions else []
        garbage = [*find_garbage(reachable), *ended_nights(home.store, now - night_days * _DAY_S)]
        sizes = {item: item.size for item in garbage}
    for version in old:
        echo(f"{_size(version.size):>10}  {version}")
    for item, size in sizes.items():
        echo(f"{_size(size):>10}  {item.what}  {item.paths[0]}")
    if not yes:
        total = _total([*sizes.values(), *(version.size for version in old)])
        show(f"{total} would be removed with --yes")
        return
    with working("removing"):
        old = [version for version in old if remove_files(mark(), version)]
        removed = collect(reachable, garbage)
    show(f"{_total([*(sizes[item] for item in removed), *(version.size for version in old)])} removed")


def _total(sizes: Collection[int]) -> str:
    return f"{len(sizes)} {'thing' if len(sizes) == 1 else 'things'} of {_size(sum(sizes))}"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
