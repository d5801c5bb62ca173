"""The input of a night: where it may lie, and what of it is left out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.storage.objects import Exclusions, Folder, LocalFolder, address_of, open_folder, require_inside
from pipeline.storage.objects.s3_address import SCHEME
from serving.runs.places import Places
from serving.runs.roots import roots_of
from serving.runs.settings import NightSettings


def open_input(settings: NightSettings, home: Home) -> Folder:
    """The folder of a night's images; the home's own inbox is made.

    Raises SettingsError for one that is no folder, that no root holds, or that Nightcap keeps itself, and
    ObjectUnavailable for one that is not there and held images before.
    """
    if settings.input is None and not home.images:
        home.inbox.mkdir(parents=True, exist_ok=True)
    uri = settings.input or home.input
    require_inside(uri, roots_of(home))
    if settings.output is not None:
        require_inside(settings.output, roots_of(home))
    if not (uri.startswith(SCHEME) or Path(uri).is_dir()) and (place := Places.of(home).find("input", address_of(uri))):
        raise place.empty("is not there", "make the folder, and ")
    folder = open_folder(uri, settings.store_patience_s, exclusions=_exclusions(uri, settings, home))
    require_inside(folder.uri, roots_of(home))  # where it leads now, which later reads hold fast to
    return folder


def require_mounts(folder: Folder, places: Places, accepted: bool) -> tuple[str, ...]:
    """The folders in a local input that are disks of their own and hold images.

    Raises ObjectUnavailable if another was one and holds none any more, unless a person accepts that.
    """
    mounted = [name for name in _mounts_in(folder) if _is_listed(folder, name) and _holds_images(folder, name)]
    place = places.find("input", folder.uri)
    if place and not accepted:
        for name in place.mounts:
            if name not in mounted and _is_listed(folder, name) and not _holds_images(folder, name):
                raise place.empty(f"had a disk of its own in {name}, which holds no image")
    return tuple(mounted)


def _mounts_in(folder: Folder) -> list[str]:
    if not isinstance(folder, LocalFolder):
        return []
    points = set[Path]()
    with suppress(OSError):  # a system that does not tell
        points = {Path(each.mountpoint) for each in psutil.disk_partitions(all=True)}
    return sorted(each.relative_to(folder.root).as_posix() for each in points if folder.root in each.parents)


def _is_listed(folder: Folder, name: str) -> bool:
    """Whether a listing of the input enters a folder: none that is hidden or excluded; nor can a note have any name."""
    is_hidden = any(part.startswith(".") for part in name.split("/"))
    return not (is_hidden or folder.exclusions.why_folder(name)) and name.isprintable()


def _holds_images(folder: Folder, name: str) -> bool:
    return any(True for _ in folder.list(name))


def _exclusions(uri: str, settings: NightSettings, home: Home) -> Exclusions:
    """What a person excludes, and Nightcap's own folders in the input: galleries must not be captioned."""
    own = (home.root, home.store, home.captions, settings.table or home.captions)
    if uri.startswith(SCHEME):
        return Exclusions(settings.exclude or ())
    folder, kept = Path(uri).resolve(), [Path(each).resolve() for each in own]
    if folder in kept or folder.is_relative_to(home.store.resolve()):
        raise SettingsError(f"input {uri} is a folder that Nightcap keeps itself; name a folder of photographs")
    inside = (each.relative_to(folder).as_posix() for each in kept if each.is_relative_to(folder))
    return Exclusions(settings.exclude or (), inside)
