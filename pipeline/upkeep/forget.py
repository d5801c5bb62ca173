"""Remove images from the outputs of trainings: snapshots and their descendants, and features."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected
from pipeline.data.validation.rejected_runs import REJECTED
from pipeline.registry.lineage import Exposed, Lineage
from pipeline.registry.run_artifacts import scrub_run
from pipeline.registry.versions import Registry
from pipeline.storage.scrub import scrub_folder
from pipeline.storage.stage_outputs import Store, changing_files
from pipeline.storage.tables.corrections import CORRECTED
from pipeline.training.features import FeatureStore, digests_in

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trace:
    """The images' names, SHA-256, captions of people and splits in the snapshot of a folder."""

    snapshot: Path
    names: frozenset[str]  # in the snapshot, and addresses
    digests: frozenset[str]
    captions: frozenset[str]
    splits: frozenset[str]

    @property
    def texts(self) -> frozenset[str]:
        """Every text that stands for one of the images in a file."""
        return self.names | self.digests | self.captions | {digest[:16] for digest in self.digests}


@dataclass(frozen=True)
class Forgetting:
    """Removes images, given by address, and by SHA-256 where known, from a store."""

    home: Home
    images: frozenset[str]
    digests: frozenset[str]

    def exposed(self) -> list[Exposed]:
        """The registered versions that come from a snapshot with the images, or continue one that does."""
        splits = {trace.snapshot: trace.splits for trace in self.traces}
        versions = Registry(self.home).versions() if splits else []
        return self._lineage.exposed(versions, splits)

    def run(self, exposed: Collection[Exposed]) -> int:
        """Remove the images from MLflow's artifacts, features, outputs and rejected data; the number of changed files.

        The snapshots come last, as the rest is found through them: a call after a stopped one finds the rest, too.
        """
        texts = self.images.union(*(trace.texts for trace in self.traces))
        changed = self.run_artifacts(exposed)
        digests = self.digests.union(*(trace.digests for trace in self.traces))
        indexes = sorted((self.home.store / "features").glob("*/*.json"))
        changed += sum(_drop_features(index, digests) for index in indexes)
        changed += scrub_folder(self.home.store / "rejected", texts)
        folders = {folder for trace in self.traces for folder in self._lineage.made_from(trace.snapshot)}
        snapshots = {trace.snapshot for trace in self.traces}
        ordered = (*sorted(folders - snapshots), *sorted(snapshots))
        return changed + sum(_scrub_output(folder, texts) for folder in ordered)

    def run_artifacts(self, exposed: Collection[Exposed]) -> int:
        """Remove the images from MLflow's artifacts; the number of changed files, none the second time."""
        texts = self.images.union(*(trace.texts for trace in self.traces))
        rejected = Registry(self.home).runs_tagged(REJECTED) if self.traces else []
        runs = ({each.version.run_id for each in exposed} - {""}).union(rejected)
        return sum(_scrub_run(self.home, run, texts) for run in sorted(runs))

    @cached_property
    def _lineage(self) -> Lineage:
        return Lineage(Store(self.home.store))

    @cached_property
    def traces(self) -> list[Trace]:
        """The images in each snapshot of the store that has any."""
        traces = (self._trace(folder) for folder in sorted((self.home.store / "stages/snapshot").glob("[0-9a-f]*")))
        return [trace for trace in traces if trace.names]

    def _trace(self, folder: Path) -> Trace:
        images, captions = (pd.read_parquet(folder / f"{name}.parquet") for name in ("images", "captions"))
        by_name = images["uri"].str.removeprefix(CORRECTED).isin(self.images) | images["image"].isin(self.images)
        rows = images[by_name | images["sha256"].isin(self.digests)]
        texts = captions[captions["image"].isin(rows["image"])]["caption"]
        names, uris, digests, splits = (frozenset(rows[column]) for column in ("image", "uri", "sha256", "split"))
        return Trace(folder, names | uris, digests - {""}, frozenset(texts), splits)


def known_digests(store: Path) -> Iterator[str]:
    """SHA-256 of the images in all snapshots and features of a store, some several times."""
    for images in _snapshots(store):
        yield from pd.read_parquet(images, columns=["sha256"])["sha256"]
    for index in store.glob("features/*/*.json"):
        yield from digests_in(index)


def snapshot_images(store: Path) -> Iterator[str]:
    """The images in all snapshots of a store, by name and by address, some several times."""
    for images in _snapshots(store):
        rows = pd.read_parquet(images, columns=["image", "uri"])
        yield from rows["image"]
        yield from rows["uri"].str.removeprefix(CORRECTED)


def _snapshots(store: Path) -> list[Path]:
    return sorted(store.glob("stages/snapshot/[0-9a-f]*/images.parquet"))


def _scrub_output(folder: Path, texts: Collection[str]) -> int:
    """Scrub a stage's output, whose list of files is then of what is left; the number of changed files.

    A stopped call leaves no list, so that nobody uses the output until a call ends. What others put there is not listed:
    an output with it is scrubbed and stays as useless as it was.
    """
    with changing_files(folder):
        return scrub_folder(folder, texts)


def _drop_features(index: Path, digests: Collection[str]) -> bool:
    """Write a part anew without some images; whether it had them."""
    shas = digests_in(index)
    keep = [row for row, sha in enumerate(shas) if sha not in digests]
    if shas and len(keep) == len(shas):
        return False
    if keep:
        grids = np.load(index.with_suffix(".npy"), mmap_mode="r")
        FeatureStore(index.parent).add([shas[row] for row in keep], grids[keep])
    index.unlink()  # first, as a part without an index does not exist
    index.with_suffix(".npy").unlink(missing_ok=True)
    return True


def _scrub_run(home: Home, run: str, texts: Collection[str]) -> int:
    try:
        return scrub_run(home, run, texts)
    except BundleRejected as error:  # anybody with an account can make such a run, and nothing of ours is there
        log.warning("MLflow's run %s was left as it is: %s", run, error)
        return 0
