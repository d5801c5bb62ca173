"""What is reachable from aliases, the promotion journal, the last trainings, open nights and active processes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.data.validation.stage import accepted_decoding
from pipeline.registry.connection import shown_uri
from pipeline.registry.lineage import ACCEPTED_TAG, SNAPSHOT_TAG, Lineage
from pipeline.registry.promotions import Promotions
from pipeline.registry.versions import Version
from pipeline.storage.files import read_json, read_json_if_whole
from pipeline.storage.locks import exclusive_lock
from pipeline.storage.stage_outputs import RECIPE, Store
from pipeline.storage.trash import modified_at, written_at
from pipeline.training.features import features_folder

UNFINISHED = ("stages/*/.*", "unfinished/*/*")
BESIDE = ("gate", "champion_captions")  # verdicts stay as long as their inputs


@dataclass(frozen=True)
class Reachable:
    """Marks what stays of a home."""

    home: Home
    pinned: Collection[str]  # digests of the models that open nights have pinned
    runs: int  # number of the trainings that ended last and stay
    since: float  # seconds since 1970; all used later stays, such as outputs of a training between two tasks

    @cached_property
    def lineage(self) -> Lineage:
        """The graph of the store's outputs."""
        return Lineage(Store(self.home.store))

    @cached_property
    def versions(self) -> list[Version]:
        """Every registered version; raises RegistryUnavailable without MLflow, as then anything may be reachable."""
        return Promotions(self.home).registry.versions()

    @cached_property
    def kept_versions(self) -> list[Version]:
        """Versions that an alias names, that caption, or that a rollback goes to; SettingsError if MLflow knows none."""
        named = set(self._champions())
        if named and named.isdisjoint((each.name, each.version) for each in self.versions):
            raise SettingsError(
                f"MLflow at {shown_uri(self.home)} knows no version that the promotion journal in {self.home.promotions} "
                "names, so nothing is known to be garbage and nothing is removed; set MLFLOW_TRACKING_URI and "
                "NIGHTCAP_PROMOTIONS as trainings have them"
            )
        return [each for each in self.versions if each.aliases or (each.name, each.version) in named]

    @cached_property
    def digests(self) -> frozenset[str]:
        """Digests of the models that may be loaded: their cached copies stay, and the trainings that made them."""
        notes = map(read_json_if_whole, self.home.store.glob("last_known/*.json"))
        remembered = (note["pinned"]["digest"] for note in notes if note)  # nights read no cut one either
        kept = (version.digest or "" for version in self.kept_versions)
        return frozenset({*self.pinned, *remembered, *kept})

    @cached_property
    def outputs(self) -> frozenset[Path]:
        """Folders of outputs that stay."""
        bundles = {folder for digest, folder in self.lineage.bundles.items() if digest in self.digests}
        kept = self.lineage.above([*bundles, *self._last_bundles(), *self._trained_on(), *self.fresh])
        inputs_of = self.lineage.inputs.items()
        return kept | {folder for folder, inputs in inputs_of if folder.parent.name in BESIDE and inputs <= kept}

    @cached_property
    def fresh(self) -> frozenset[Path]:
        """Outputs that a training has used since `since` or uses now, and their ancestors."""
        used = [folder for folder in self.lineage.inputs if is_used(folder, self.since)]
        inputs = (folder for each in self.under_way for folder in self.lineage.named(_inputs_of(each)))
        return self.lineage.above([*used, *inputs])

    @cached_property
    def under_way(self) -> frozenset[Path]:
        """Outputs that are being made, and checkpoints that a training may resume."""
        folders = (file.parent for pattern in UNFINISHED for file in self.home.store.glob(f"{pattern}/{RECIPE}"))
        return frozenset(folder for folder in folders if is_used(folder, self.since))

    @cached_property
    def features(self) -> dict[Path, frozenset[str]]:
        """Folders of features, and the SHA-256 of the images whose features stay."""
        kept: dict[Path, frozenset[str]] = {}
        for folder, shas in self._extracted():
            kept[folder] = kept.get(folder, frozenset()) | shas
        return kept

    def _champions(self) -> Iterator[tuple[str, str]]:
        promotions = Promotions(self.home)
        for name in {entry.model for entry in promotions.journal.entries()}:
            now = promotions.journal.current(name)
            if now is not None:
                yield name, now.target
            try:
                yield name, promotions.before(name)
            except SettingsError:
                continue

    def _last_bundles(self) -> list[Path]:
        bundles = [folder for folder in self.lineage.inputs if folder.parent.name == "bundle"]
        return sorted(bundles, key=used_at, reverse=True)[: self.runs]

    def _trained_on(self) -> Iterator[Path]:
        """Outputs that list the images of registered versions, for `trace` and `forget`."""
        for version in self.versions:
            bundle = self.lineage.bundles.get(version.digest or "")
            if SNAPSHOT_TAG not in version.tags and bundle is not None:
                yield bundle  # the snapshot is known only through it
            for tag in (SNAPSHOT_TAG, ACCEPTED_TAG):
                if folder := self.lineage.trained_on(version, tag):
                    yield folder

    def _extracted(self) -> Iterator[tuple[Path, frozenset[str]]]:
        """Folder and images of each view of an output of `extract_features`, if its encoder and images stay."""
        for output in self.outputs:
            if output.parent.name != "extract_features":
                continue
            recipe = read_json(output / RECIPE)
            inputs = recipe["inputs"]
            encoder, accepted = (self.lineage.store.folder(each, inputs[each]) for each in ("encoder", "validate"))
            if {encoder, accepted} <= self.outputs:
                images = pq.read_table(accepted / "images.parquet", columns=["sha256"])
                facts, shas = read_json(encoder / "encoder.json"), frozenset(images["sha256"].to_pylist())
                fit, decoding = recipe["settings"]["fit"], accepted_decoding(accepted)
                for view in range(recipe["settings"]["views"]):
                    yield features_folder(self.home.store, facts, fit, view, decoding), shas


def _inputs_of(folder: Path) -> dict[str, str]:
    """Inputs of an unfinished output; none if it ended meanwhile, as its inputs then count as used."""
    try:
        return dict(read_json(folder / RECIPE)["inputs"])
    except FileNotFoundError:
        return {}


def is_used(folder: Path, since: float) -> bool:
    """Whether an output, finished or not, is in use or was after a moment."""
    if used_at(folder) >= since or written_at(folder) >= since:
        return True
    with exclusive_lock(folder / RECIPE) as is_free:
        return not is_free


def used_at(folder: Path) -> float:
    """When an output was last used, in seconds since 1970; 0 if it is gone."""
    return modified_at(folder / RECIPE)
