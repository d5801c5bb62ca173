"""Unreachable outputs, scratch, features and cached models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.storage.stage_outputs import RECIPE
from pipeline.storage.trash import Garbage, discard, empty_trash, modified_at, written_at
from pipeline.training.features import USE, digests_in
from pipeline.upkeep.gc.mark import Reachable, used_at

_SCRATCH = {"stages/*/.*": "scratch of a stage", "unfinished/*/*": "checkpoints", "rejected/*": "rejected data"}


def find_garbage(reach: Reachable) -> list[Garbage]:
    """All garbage that is old enough, in the order of its removal."""
    garbage = (*_outputs(reach), *_scratch(reach), *_features(reach), *_models(reach))
    return [each for each in garbage if each.is_expired]


def collect(reach: Reachable, garbage: Iterable[Garbage]) -> list[Garbage]:
    """Remove garbage, except what is in use by now and its ancestors; the removed garbage."""
    removed: list[Garbage] = []
    spared: set[Path] = set()
    for each in garbage:
        if spared.isdisjoint(each.paths) and discard(reach.home, each):
            removed.append(each)
        else:
            spared |= reach.lineage.above(each.paths)
    empty_trash(reach.home)
    return removed


def _outputs(reach: Reachable) -> Iterator[Garbage]:
    """Unreachable outputs, each before its inputs."""
    unreachable = reach.lineage.inputs.keys() - reach.outputs
    depth = {folder: len(reach.lineage.above([folder])) for folder in unreachable}
    for folder in sorted(unreachable, key=lambda each: (-depth[each], each)):
        yield Garbage(f"output of {folder.parent.name}", (folder,), used_at(folder), reach.since, folder / RECIPE)


def _scratch(reach: Reachable) -> Iterator[Garbage]:
    """Scratch of killed stages, checkpoints that were not resumed, and copies of rejected data."""
    for pattern, kind in _SCRATCH.items():
        for folder in sorted(reach.home.store.glob(pattern)):
            if folder not in reach.under_way:
                yield Garbage(kind, (folder,), written_at(folder), reach.since, folder / RECIPE)


def _features(reach: Reachable) -> Iterator[Garbage]:
    """Unreachable folders, and in others the parts without an image of a training that stays."""
    for folder in sorted((reach.home.store / "features").glob("*")):
        wanted, guard = reach.features.get(folder), folder / USE
        if wanted is None:
            paths: tuple[Path, ...] = (folder,)
        else:
            indexes = [index for index in sorted(folder.glob("*.json")) if wanted.isdisjoint(digests_in(index))]
            halves = [path for path in sorted(folder.glob("*.npy")) if not path.with_suffix(".json").exists()]
            paths = (*(path for index in indexes for path in (index, index.with_suffix(".npy"))), *halves)
        if paths:
            used = max(modified_at(guard), *map(modified_at, paths))
            yield Garbage("features", paths, used, reach.since, guard)


def _models(reach: Reachable) -> Iterator[Garbage]:
    for folder in sorted((reach.home.root / "cache" / "models").glob("[0-9a-f]*")):
        if folder.name not in reach.digests:
            yield Garbage("cached model", (folder,), modified_at(folder), reach.since)
