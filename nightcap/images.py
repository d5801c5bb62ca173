"""Images that a person names on the command line: files and folders, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.core.errors import BadImage, SettingsError
from pipeline.core.reasons import FORBIDDEN, MISSING
from pipeline.imaging.decode import ImageLimits, check_bytes
from pipeline.storage.objects import (
    Exclusions,
    Folder,
    Ignored,
    LocalFolder,
    ObjectInfo,
    images_of,
    open_folder,
    printable,
)
from pipeline.storage.objects.beneath import open_plain, open_size


@dataclass(frozen=True)
class NamedFile:
    """A file that an argument names."""

    image: str  # its name in the output
    path: Path

    def read(self, limits: ImageLimits) -> bytes:
        """Its bytes; raises BadImage if they are too many, or the file is missing or cannot be read."""
        try:
            with open_plain(self.path) as file:
                check_bytes(open_size(file), limits)
                return file.read(limits.max_bytes + 1)
        except PermissionError as error:
            raise BadImage(FORBIDDEN, f"{self.path} may not be read by this user; check its permissions") from error
        except (OSError, ValueError) as error:  # ValueError: no file can have such a name
            raise BadImage(MISSING, f"{self.path} cannot be read: {error}") from error


@dataclass(frozen=True)
class ListedFile:
    """A file of a folder that an argument names."""

    image: str  # its name in the output
    folder: Folder
    info: ObjectInfo

    def read(self, limits: ImageLimits) -> bytes:
        """Its bytes; raises BadInput if they are too many, or not those that were listed."""
        check_bytes(self.info.size, limits)
        return self.folder.read(self.info)


@dataclass
class NamedImages:
    """All images of some arguments; `ignored` tells of other files, once all images were listed."""

    arguments: Sequence[str]
    exclude: Sequence[str] = ()  # globs
    ignored: Ignored = field(default_factory=Ignored)

    def __post_init__(self) -> None:
        if not self.arguments:
            raise SettingsError("name at least one image or folder")
        for argument in self.arguments:
            if "://" in argument or not argument:
                open_folder(argument)
            elif not Path(argument).exists():
                raise SettingsError(f"there is nothing at {argument!r}; name an image or a folder of images")
            elif not Path(argument).is_file():
                LocalFolder(Path(argument))

    def __iter__(self) -> Iterator[NamedFile | ListedFile]:
        self.ignored.clear()
        exclusions = Exclusions(self.exclude)
        for argument in self.arguments:
            if "://" not in argument and Path(argument).is_file():
                yield NamedFile(printable(argument), Path(argument))
            else:
                folder = open_folder(argument, bound=False, exclusions=exclusions)  # a person may link to their own
                for info in images_of(folder):
                    yield ListedFile(printable(f"{argument.rstrip('/')}/{info.name}"), folder, info)
                self.ignored.join(folder.ignored)
