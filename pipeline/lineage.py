"""Which outputs of a store were made from which: what stages say beside them, read as a graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.files import read_json
from pipeline.stages import Store

if TYPE_CHECKING:
    from pipeline.registry import Version

# Tags of a registered version: digests of the outputs that it was trained on, so that this is known without a store.
SNAPSHOT_TAG, ACCEPTED_TAG = "snapshot", "accepted"
_STAGE_OF = {SNAPSHOT_TAG: "snapshot", ACCEPTED_TAG: "validate"}


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
        from pipeline.registry import DIGEST_TAG

        stage = _STAGE_OF[tag]
        if tag in version.tags:
            return self.store.folder(stage, version.tags[tag])
        bundle = self.bundles.get(version.tags.get(DIGEST_TAG, ""))
        above = self.above([bundle]) if bundle else ()
        return next((folder for folder in above if folder.parent.name == stage), None)
