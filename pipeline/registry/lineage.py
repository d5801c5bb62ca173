"""Which outputs of a store were made from which: the recipes of stages, read as a graph."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.storage.files import read_json
from pipeline.storage.stage_outputs import RECIPE, Store

if TYPE_CHECKING:
    from pipeline.registry.versions import Version

# Tags of a registered version: digests of the outputs it was trained on, so that they are known without a store, and
# of the bundle whose weights it continues, if it began with one.
SNAPSHOT_TAG, ACCEPTED_TAG, START_TAG = "snapshot", "accepted", "started_from"
_STAGE_OF = {SNAPSHOT_TAG: "snapshot", ACCEPTED_TAG: "validate"}


@dataclass(frozen=True)
class Exposed:
    """A registered version that has seen some images."""

    version: Version
    splits: frozenset[str]  # `train` if trained on one, `val` if they helped choose it, `test` if they evaluated it
    through: tuple[Version, ...] = ()  # the versions whose weights it continues, those that have seen the images


@dataclass(frozen=True)
class Lineage:
    """The outputs of a store as they were when first read."""

    store: Store

    @cached_property
    def inputs(self) -> dict[Path, frozenset[Path]]:
        """The direct inputs of each output, by folder; some may be gone."""
        recipes = ((file.parent, read_json(file, f"remove {file.parent}")) for file in self.store.recipes())
        return {folder: self.named(recipe["inputs"]) for folder, recipe in recipes}

    @cached_property
    def bundles(self) -> dict[str, Path]:
        """The outputs that hold a bundle, by the bundle's digest."""
        files = (folder / "figures.json" for folder in self.inputs if folder.parent.name == "bundle")
        return {str(read_json(file)["bundle_digest"]): file.parent for file in files if file.is_file()}

    def named(self, digests: dict[str, str]) -> frozenset[Path]:
        """Folders of outputs, given digests by stage; an input that is no output gives a folder that does not exist."""
        return frozenset(self.store.folder(stage, digest) for stage, digest in digests.items())

    def above(self, folders: Iterable[Path]) -> frozenset[Path]:
        """Some outputs, and all their ancestors."""
        above: set[Path] = set()
        waiting = list(folders)
        while waiting:
            folder = waiting.pop()
            if folder in self.inputs and folder not in above:
                above.add(folder)
                waiting.extend(self.inputs[folder])
        return frozenset(above)

    def made_from(self, output: Path) -> list[Path]:
        """An output and all its descendants."""
        return [folder for folder in self.inputs if output in self.above([folder])]

    def trained_on(self, version: Version, tag: str = SNAPSHOT_TAG) -> Path | None:
        """The snapshot, or with `ACCEPTED_TAG` the accepted data, that a version was trained on; it may be gone.

        The version's tag names it, else the ancestors of its bundle.
        """
        stage = _STAGE_OF[tag]
        return self.store.folder(stage, version.tags[tag]) if tag in version.tags else self._ancestor(version, stage)

    def taught(self, version: Version, versions: Sequence[Version]) -> list[Path | None]:
        """The accepted data of a version and of those whose weights it continues; None where not known, some may be gone."""
        chain = (version, *self._continued(version, {each.digest: each for each in versions}))
        return [self.trained_on(each, ACCEPTED_TAG) for each in chain]

    def exposed(self, versions: Sequence[Version], splits: Mapping[Path, Collection[str]]) -> list[Exposed]:
        """Those of all registered versions that come from some snapshots, or continue the weights of one that does.

        Weights carry the images that trained and chose them, but not those that evaluated them. `splits` are those
        that have the images, by snapshot.
        """
        by_digest = {each.digest: each for each in versions}
        exposed = [self._exposed(each, list(self._continued(each, by_digest)), splits) for each in versions]
        return [each for each in exposed if each.splits]

    def _exposed(self, version: Version, before: list[Version], splits: Mapping[Path, Collection[str]]) -> Exposed:
        seen = [frozenset(splits.get(self.trained_on(each) or Path(), ())) for each in (version, *before)]
        inherited = [each - {"test"} for each in seen[1:]]
        through = tuple(each for each, where in zip(before, inherited, strict=True) if where)
        return Exposed(version, seen[0].union(*inherited), through)

    def _continued(self, version: Version, by_digest: Mapping[str | None, Version]) -> Iterator[Version]:
        """The registered versions whose weights one continues, the nearest first."""
        passed = [version]
        while (before := by_digest.get(self._start_of(passed[-1]) or "")) and before not in passed:
            yield before
            passed.append(before)

    def _start_of(self, version: Version) -> str | None:
        """Digest of the bundle that a version began with, if any."""
        start = self._ancestor(version, "start") if START_TAG not in version.tags else None
        return bundle_of(start) if start else version.tags.get(START_TAG)

    def _ancestor(self, version: Version, stage: str) -> Path | None:
        """The output of a stage that went into a version's bundle."""
        bundle = self.bundles.get(version.digest or "")
        above = self.above([bundle]) if bundle else ()
        return next((folder for folder in above if folder.parent.name == stage), None)


def bundle_of(start: Path) -> str:
    """Digest of the bundle that an output of `start` was taken from."""
    return str(read_json(start / RECIPE)["settings"]["digest"])
