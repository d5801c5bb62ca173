"""Profiles of the accepted snapshots in their order, for the next one to be compared with."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from pipeline.core.errors import SettingsError
from pipeline.core.settings import SourceSettings
from pipeline.data.validation.profile import PROFILE_KEYS, Profile
from pipeline.storage.files import create_json, digest_of, read_json
from pipeline.storage.stage_outputs import Store

log = logging.getLogger(__name__)

# What differs from one delivery of a source to the next: how much is taken of it, and the names of its lists. Naming the
# language makes no other source.
_PASSING = {
    "max_images", "max_train_images", "scene_count", "scene_seed", "val_cut", "test_cut", "terms", "corrections",
    "corrections_held_out", "corrections_to_train", "exclude", "language", "train_annotations", "val_annotations",
    "test_annotations",
}  # fmt: skip


@dataclass(frozen=True)
class ReferenceProfiles:
    """Those of one collection of images: `store/references/<collection>/00000001.json` and so on, never changed."""

    folder: Path

    @classmethod
    def of(cls, store: Store, collection: str) -> ReferenceProfiles:
        """Those of a collection, which may have none yet."""
        return cls(store.root / "references" / collection)

    def before(self, snapshot: str) -> Profile | None:
        """The last profile accepted before a snapshot was, so validating it again compares it with the same one."""
        earlier = list(takewhile(lambda entry: entry["snapshot"] != snapshot, self._entries()))
        return earlier[-1]["profile"] if earlier else None

    def snapshots(self) -> list[str]:
        """Digests of the snapshots that were accepted, in their order."""
        return [entry["snapshot"] for entry in self._entries()]

    def accept(self, snapshot: str, profile: Profile) -> None:
        """Add an entry, unless the snapshot has one."""
        while all(entry["snapshot"] != snapshot for entry in self._entries()):
            number = max((int(file.stem) for file in self._files()), default=0) + 1  # somebody may have removed some
            if create_json(self.folder / f"{number:08d}.json", {"snapshot": snapshot, "profile": profile}):
                return

    def warn_if_first(self) -> None:
        """Warn that nothing is compared where only other collections have been accepted."""
        others = [folder for folder in self.folder.parent.glob("*") if folder != self.folder]
        if others and not self._files():
            log.warning(
                "validate: no snapshot of this source was accepted before, so this one is compared with none, though %d of other "
                "sources were; if it follows one of these, set validation.reference to the profile.json of that one's output",
                len(others),
            )

    def _entries(self) -> list[dict[str, Any]]:
        return [read_json(file) for file in self._files()]

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.json"))


def collection_of(source: SourceSettings) -> str:
    """What a source's snapshots have in common, however many images are taken of it and whatever its lists are called."""
    return digest_of(source.model_dump(mode="json", exclude=_PASSING))[:16]


def reference_for(setting: str, references: ReferenceProfiles, snapshot: str) -> Profile | None:
    """The profile that `validation.reference` names: `last`, `none`, or a file."""
    if setting == "none":
        return None
    if setting == "last":
        references.warn_if_first()
        return references.before(snapshot)
    try:
        profile: Profile = read_json(Path(setting))
        return {name: profile[name] for name in PROFILE_KEYS} | profile
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"validation.reference is {setting!r}, which is neither last, none nor a profile.json that validate wrote"
        ) from error
