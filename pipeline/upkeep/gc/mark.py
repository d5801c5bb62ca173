"""What must stay: all that aliases, the promotion journal, the last trainings, open nights and whoever works now can reach."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.registry.connection import shown_uri
from pipeline.registry.lineage import ACCEPTED_TAG, SNAPSHOT_TAG, Lineage
from pipeline.registry.promotions import Promotions
from pipeline.registry.versions import Version
from pipeline.storage.files import read_json
from pipeline.storage.locks import exclusive_lock
from pipeline.storage.stage_outputs import RECIPE, Store
from pipeline.storage.trash import modified_at, written_at
from pipeline.training.features import features_folder

UNFINISHED = ("stages/*/.*", "unfinished/*/*")
BESIDE = ("gate", "champion_captions")  # verdicts stay as long as what they judge


@dataclass(frozen=True)
class Reachable:
    """Marks what stays of a home.

    Attributes:
        home: the home.
        pinned: digests of the models that open nights have pinned.
        runs: how many of the trainings that ended last stay.
        since: what was used after this moment stays, in seconds since 1970; it is the trace of trainings between two tasks.
    """

    home: Home
    pinned: Collection[str]
    runs: int
    since: float

    @cached_property
    def lineage(self) -> Lineage:
        """The outputs of the store."""
        return Lineage(Store(self.home.store))

    @cached_property
    def versions(self) -> list[Version]:
        """Every registered version.

        Raises:
            RegistryUnavailable: MLflow does not answer, so nothing is known to be unreached.
        """
        return Promotions(self.home).registry.versions()

    @cached_property
    def kept_versions(self) -> list[Version]:
        """Those that an alias names, that caption, or that a rollback goes to.

        Raises:
            SettingsError: of the versions that caption by the journal MLflow knows none, so it is another's.
        """
        named = set(self._champions())
        if named and named.isdisjoint((each.name, each.version) for each in self.versions):
            raise SettingsError(
                f"MLflow at {shown_uri(self.home)} knows no version that the promotion journal in {self.home.promotions} "
                "speaks of, so what is needed cannot be told and nothing is removed; set MLFLOW_TRACKING_URI and "
                "NIGHTCAP_PROMOTIONS as trainings have them"
            )
        return [each for each in self.versions if each.aliases or (each.name, each.version) in named]

    @cached_property
    def digests(self) -> frozenset[str]:
        """Of the models that may be asked for: their copies in the cache stay, and the trainings that made them."""
        remembered = (read_json(file)["pinned"]["digest"] for file in self.home.store.glob("last_known/*.json"))
        kept = (version.digest or "" for version in self.kept_versions)
        return frozenset({*self.pinned, *remembered, *kept})

    @cached_property
    def outputs(self) -> frozenset[Path]:
        """Folders of outputs."""
        bundles = {folder for digest, folder in self.lineage.bundles.items() if digest in self.digests}
        found = self.lineage.above([*bundles, *self._last_bundles(), *self._trained_on(), *self.fresh])
        beside = {
            folder for folder, inputs in self.lineage.inputs.items() if folder.parent.name in BESIDE and inputs <= found
        }
        return found | beside

    @cached_property
    def fresh(self) -> frozenset[Path]:
        """Outputs that a training has used lately or uses now, and what they were made from."""
        used = [folder for folder in self.lineage.inputs if is_used(folder, self.since)]
        begun = map(_inputs_of, self.under_way)
        return self.lineage.above([*used, *(folder for inputs in begun for folder in self.lineage.named(inputs))])

    @cached_property
    def under_way(self) -> frozenset[Path]:
        """Outputs that are being made, and checkpoints that a training goes on from or may."""
        found = (file.parent for pattern in UNFINISHED for file in self.home.store.glob(f"{pattern}/{RECIPE}"))
        return frozenset(folder for folder in found if is_used(folder, self.since))

    @cached_property
    def features(self) -> dict[Path, frozenset[str]]:
        """Folders of features, and the SHA-256 of the images whose features stay."""
        found: dict[Path, frozenset[str]] = {}
        for folder, shas in self._extracted():
            found[folder] = found.get(folder, frozenset()) | shas
        return found

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
        """What says which images a registered version has seen, for `trace` and `forget`."""
        for version in self.versions:
            bundle = self.lineage.bundles.get(version.digest or "")
            if SNAPSHOT_TAG not in version.tags and bundle is not None:
                yield bundle  # only through it is the snapshot known
            for tag in (SNAPSHOT_TAG, ACCEPTED_TAG):
                if folder := self.lineage.trained_on(version, tag):
                    yield folder

    def _extracted(self) -> Iterator[tuple[Path, frozenset[str]]]:
        """Folder and images of each view that an output stands for, unless somebody took its encoder or images."""
        for output in self.outputs:
            if output.parent.name != "extract_features":
                continue
            recipe = read_json(output / RECIPE)
            inputs = recipe["inputs"]
            encoder, accepted = (self.lineage.store.folder(each, inputs[each]) for each in ("encoder", "validate"))
            if {encoder, accepted} <= self.outputs:
                facts, shas = read_json(encoder / "encoder.json"), _digests(accepted)
                for view in range(recipe["settings"]["views"]):
                    yield features_folder(self.home.store, facts, recipe["settings"]["fit"], view), shas


def _inputs_of(folder: Path) -> dict[str, str]:
    """What an output under way is made from; nothing if it ended meanwhile, after which its inputs count as used."""
    try:
        return dict(read_json(folder / RECIPE)["inputs"])
    except FileNotFoundError:
        return {}


def is_used(folder: Path, since: float) -> bool:
    """Whether an output, or what may become one, is in use or was since a moment."""
    if used_at(folder) >= since or written_at(folder) >= since:
        return True
    with exclusive_lock(folder / RECIPE) as is_free:
        return not is_free


def used_at(folder: Path) -> float:
    """When an output was last used, in seconds since 1970; 0 if it is gone."""
    return modified_at(folder / RECIPE)


def _digests(folder: Path) -> frozenset[str]:
    """SHA-256 of the images that validation accepted."""
    return frozenset(pq.read_table(folder / "images.parquet", columns=["sha256"])["sha256"].to_pylist())
