"""Which outputs of a store were made from which: what stages say beside them, read as a graph."""

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

# Tags of a registered version: digests of the outputs that it was trained on, so that this is known without a store.
SNAPSHOT_TAG, ACCEPTED_TAG = "snapshot", "accepted"
# And the digest of the bundle whose weights it continues, if it began with one.
START_TAG = "started_from"
_STAGE_OF = {SNAPSHOT_TAG: "snapshot", ACCEPTED_TAG: "validate"}


@dataclass(frozen=True)
class Exposed:
    """A registered version that has seen some images.

    Attributes:
        version: which.
        splits: `train` if it was trained on one, `val` if they helped choose it, `test` if they judged it.
        through: the versions whose weights it continues, of those that have.
    """

    version: Version
    splits: frozenset[str]
    through: tuple[Version, ...] = ()


@dataclass(frozen=True)
class Lineage:
    """The outputs of a store as they were when first asked for.

    Attributes:
        store: where they lie.
    """

    store: Store

    @cached_property
    def inputs(self) -> dict[Path, frozenset[Path]]:
        """What each output was made from directly, by folder; some of it may be gone."""
        return {recipe.parent: self.named(read_json(recipe)["inputs"]) for recipe in self.store.recipes()}

    @cached_property
    def bundles(self) -> dict[str, Path]:
        """The outputs that hold a bundle, by the bundle's digest."""
        found = (folder / "figures.json" for folder in self.inputs if folder.parent.name == "bundle")
        return {str(read_json(file)["bundle_digest"]): file.parent for file in found if file.is_file()}

    def named(self, digests: dict[str, str]) -> frozenset[Path]:
        """Folders of outputs that digests by stage name; an input that is no output names one that is not there."""
        return frozenset(self.store.folder(stage, digest) for stage, digest in digests.items())

    def above(self, folders: Iterable[Path]) -> frozenset[Path]:
        """Some outputs, and all that they were made from, through the stages between."""
        found: set[Path] = set()
        waiting = list(folders)
        while waiting:
            folder = waiting.pop()
            if folder in self.inputs and folder not in found:
                found.add(folder)
                waiting.extend(self.inputs[folder])
        return frozenset(found)

    def made_from(self, output: Path) -> list[Path]:
        """Every output that another went into, that one among them."""
        return [folder for folder in self.inputs if output in self.above([folder])]

    def trained_on(self, version: Version, tag: str = SNAPSHOT_TAG) -> Path | None:
        """The output that a version was trained on, which may be gone: as its tag says, else as its bundle's does.

        Args:
            version: registered.
            tag: `SNAPSHOT_TAG` for what was listed, `ACCEPTED_TAG` for what validation accepted of it.
        """
        stage = _STAGE_OF[tag]
        return self.store.folder(stage, version.tags[tag]) if tag in version.tags else self._behind(version, stage)

    def exposed(self, versions: Sequence[Version], splits: Mapping[Path, Collection[str]]) -> list[Exposed]:
        """The versions that come from some snapshots, or continue the weights of one that does.

        Weights know what trained and chose them, but not the images on which they were judged.

        Args:
            versions: all that are registered.
            splits: where the images asked for are, by snapshot.
        """
        known = {each.digest: each for each in versions}
        found = [self._exposed(each, list(self._continued(each, known)), splits) for each in versions]
        return [each for each in found if each.splits]

    def _exposed(self, version: Version, before: list[Version], splits: Mapping[Path, Collection[str]]) -> Exposed:
        seen = [frozenset(splits.get(self.trained_on(each) or Path(), ())) for each in (version, *before)]
        inherited = [each - {"test"} for each in seen[1:]]
        through = tuple(each for each, where in zip(before, inherited, strict=True) if where)
        return Exposed(version, seen[0].union(*inherited), through)

    def _continued(self, version: Version, known: Mapping[str | None, Version]) -> Iterator[Version]:
        """The registered versions whose weights one continues, the nearest first."""
        passed = [version]
        while (before := known.get(self._begun_with(passed[-1]) or "")) and before not in passed:
            yield before
            passed.append(before)

    def _begun_with(self, version: Version) -> str | None:
        start = self._behind(version, "start") if START_TAG not in version.tags else None
        return bundle_of(start) if start else version.tags.get(START_TAG)

    def _behind(self, version: Version, stage: str) -> Path | None:
        """The output of a stage that went into a version's bundle, as the store tells."""
        bundle = self.bundles.get(version.digest or "")
        above = self.above([bundle]) if bundle else ()
        return next((folder for folder in above if folder.parent.name == stage), None)


def bundle_of(start: Path) -> str:
    """Digest of the bundle that an output of `start` was taken from."""
    return str(read_json(start / RECIPE)["settings"]["digest"])
