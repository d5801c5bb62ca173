"""Images that a person names on the command line: files and folders, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.core.errors import SettingsError
from pipeline.imaging.decode import ImageLimits, check_bytes
from pipeline.model.image_file import read_image_file
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


@dataclass(frozen=True)
class NamedFile:
    """A file that an argument names."""

    image: str  # its name in the output
    path: Path

    def read(self, limits: ImageLimits) -> bytes:
        """Its bytes; raises BadImage if they are too many, or the file is missing or cannot be read."""
        return read_image_file(self.path, limits)


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
