"""Which folders and files of an input are nobody's photographs, or not wanted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate

from pipeline.core.globs import glob_pattern
from pipeline.core.reasons import EXCLUDED, OWN_FOLDER, SYSTEM_FOLDER

# In any case, as copies may have another, with who makes them.
SYSTEM_FOLDERS = {
    "@eaDir": "Synology: thumbnails",
    "#recycle": "Synology, TerraMaster: deleted files",
    "#snapshot": "Synology: snapshots",
    "@tmp": "Synology: unfinished files",
    "@Recycle": "QNAP: deleted files",
    "@Recently-Snapshot": "QNAP: snapshots",
    "@sharebin": "Synology: files that were shared",
    "lost+found": "Linux: what a check of the disk found",
    "trashbox": "Buffalo: deleted files",
    "RECYCLER": "Windows: deleted files",
    "Recycled": "Windows: deleted files",
    "files_trashbin": "Nextcloud, ownCloud: deleted files",
    "files_versions": "Nextcloud, ownCloud: former versions",
    "$RECYCLE.BIN": "Windows: deleted files",
    "System Volume Information": "Windows: snapshots",
    "~snapshot": "NetApp: snapshots",
    "__MACOSX": "macOS: what archives hold beside the files",
    "Network Trash Folder": "macOS: deleted files",
    "Temporary Items": "macOS: unfinished files",
    "Thumbs.db": "Windows: thumbnails",
    "ehthumbs.db": "Windows: thumbnails",
}
# In any case, a path of one or two folders.
SYSTEM_PATTERNS = {
    "found.0*": "Windows: what a check of the disk found",
    "@GMT-*": "Samba: snapshots",
    "*.lrdata": "Lightroom: previews",
    "*.photoslibrary/{resources,database,private,internal,external,scopes}": "Photos: previews and databases",
    "*.photolibrary/{Previews,Thumbnails,Data,Data.noindex,Database,Caches,Attachments}": "iPhoto: previews",
    "*.aplibrary/{Previews,Thumbnails,Database,Caches,Aperture.aplib}": "Aperture: previews",
    "CaptureOne/Cache": "Capture One: previews",
    "appdata_*/preview": "Nextcloud: previews",
}


class Exclusions:
    """Why names are left out: a system's folder, a folder of Nightcap's own, or a glob that a person gave."""

    def __init__(self, globs: Iterable[str] = (), own_folders: Iterable[str] = ()) -> None:
        """Leave out what the globs name (see `pipeline.core.globs`), and the input's folders that Nightcap keeps."""
        self.globs = tuple(globs)
        self.own_folders = frozenset(own_folders)
        self._excluded = glob_pattern(self.globs) if self.globs else None
        self._why = lru_cache(4096)(self._why_folder_is_out)

    def why_folder(self, folder: str) -> str | None:
        """A reason of `IGNORED_REASONS` why a folder, relative to the input, is left out with all it holds."""
        return self._why(folder)

    def why(self, name: str) -> str | None:
        """The same of an object."""
        folder, _, _ = name.rpartition("/")
        reason = self._why(folder) if folder else None
        if reason is None and self._excluded and self._excluded.fullmatch(unicodedata.normalize("NFC", name)):
            return EXCLUDED
        return reason

    def _why_folder_is_out(self, folder: str) -> str | None:
        parts = folder.split("/")
        if any(map(is_system_folder, parts, ["", *parts])):
            return SYSTEM_FOLDER
        if self.own_folders and not self.own_folders.isdisjoint(accumulate(parts, "{}/{}".format)):
            return OWN_FOLDER
        excluded = self._excluded and self._excluded.fullmatch(unicodedata.normalize("NFC", folder))
        return EXCLUDED if excluded else None


def is_system_folder(name: str, above: str = "") -> bool:
    """Whether a system makes folders of that name, below a folder called `above`, for what nobody photographed."""
    lower = name.lower()
    if lower in _ANY_CASE:
        return True
    return bool(_PATTERNS.fullmatch(lower) or (above and _PATTERNS.fullmatch(f"{above.lower()}/{lower}")))


def _expression(pattern: str) -> str:
    """A pattern with `*` and `{one,other}` as an expression."""
    escaped = re.escape(pattern.lower()).replace(r"\*", "[^/]*")
    return escaped.replace(r"\{", "(?:").replace(r"\}", ")").replace(",", "|")


_ANY_CASE = frozenset(name.lower() for name in SYSTEM_FOLDERS)
_PATTERNS = re.compile("|".join(map(_expression, SYSTEM_PATTERNS)))
