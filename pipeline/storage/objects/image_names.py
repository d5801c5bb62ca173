"""Which objects are images: by their names, and where these say nothing by their first bytes."""

from __future__ import annotations

import logging
import mimetypes
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from pipeline.core.errors import BadInput
from pipeline.core.parallel import in_parallel
from pipeline.core.reasons import NOT_AN_IMAGE
from pipeline.storage.files import digest_of
from pipeline.storage.objects.exclusions import SYSTEM_FOLDERS, SYSTEM_PATTERNS

if TYPE_CHECKING:
    from pipeline.storage.objects.base import Folder, ObjectInfo
    from pipeline.storage.objects.passed_over import PassedOver

log = logging.getLogger(__name__)

NamedKind = Literal["image", "other", "unclear"]

HEAD_BYTES = 64
_IMAGES = """
.jpg .jpeg .jpe .jfif .jfi .jif .pjpeg .pjpg .pjp .mpo .jps .png .apng .webp .avif .avifs .heic .heif .heics .heifs .hif
.gif .bmp .dib .tif .tiff
"""
# Beside what `mimetypes` knows: raw files of cameras, what editors and systems leave, and files that are not whole yet.
_OTHER = """
.dng .cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .orf .raf .rw2 .rwl .pef .dcr .kdc .3fr .fff .iiq .mrw .x3f .erf .mef .raw
.xmp .aae .thm .lrv .insv .insp .lrcat .lrprev .lrtemplate .psd .psb .ai .eps .xcf .kra .exr .hdr .dds .tga .jxl .jp2 .jpx
.j2k .db .ini .lnk .url .ds_store .log .md .rst .yaml .yml .toml .cfg .conf .jsonl .ndjson .parquet .tsv .sqlite .sqlite3
.md5 .sha1 .sha256 .gpx .kml .kmz .fit .vcf .ics .srt .vtt .m2ts .mts .mkv .3gp .3g2 .wmv .flv .m4v .vob .webm .flac .ogg
.opus .m4a .wma .amr .zip .rar .7z .gz .bz2 .xz .zst .tgz .iso .dmg .exe .msi .apk .rtf .odt .ods .odp .docx .xlsx .pptx
.pages .numbers .key .epub .lock .pid .part .partial .crdownload .download .filepart .opdownload .!ut .tmp .temp .swp
"""
SUFFIXES = frozenset(_IMAGES.split())

_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BRANDS = frozenset((b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"miaf"))
_MANY = 1000  # reads at once that the log tells of; all are read, some 15,000 a second from a local disk
_THREADS = 10
_BATCH = 500


def kind_of(name: str) -> NamedKind:
    """What a name says: an image, another type, or nothing (no suffix, or one such as `.1` or `.jpg_large`)."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - once for each of millions
    if suffix in SUFFIXES:
        return "image"
    return "other" if suffix in _other_suffixes() else "unclear"


def begins_like_an_image(head: bytes) -> bool:
    """Whether first bytes are those of a format that is captioned."""
    if head.startswith(_STARTS):
        return True
    if head[:2] == b"BM":  # two letters are too few: the header's size follows
        return head[14:18] in {bytes((size, 0, 0, 0)) for size in (12, 16, 40, 52, 56, 64, 108, 124)}
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    return head[4:8] == b"ftyp" and (
        head[8:12] in _BRANDS or any(head[at : at + 4] in _BRANDS for at in range(16, 64, 4))
    )


class ImageCheck:
    """Tells which objects of a listing are images; only names that say nothing cost a read of first bytes."""

    def __init__(self, folder: Folder, passed_over: PassedOver | None = None) -> None:
        """Check objects of a folder; those that were passed over before are not read again."""
        self._folder, self._passed_over = folder, passed_over

    def are_images(self, infos: Sequence[ObjectInfo]) -> list[bool]:
        """Whether each object is an image, or may be one: what cannot be read is told by the reading proper."""
        named = [info for info in infos if kind_of(info.name) == "unclear"]
        known = self._passed_over.has(named) if self._passed_over else [False] * len(named)
        unclear = [info for info, is_known in zip(named, known, strict=True) if not is_known]
        if len(unclear) >= _MANY:
            log.info(
                "reading the first bytes of %d files in %s whose names say nothing", len(unclear), self._folder.uri
            )
        answers = in_parallel(self._may_be_image, unclear, _THREADS)
        images = {info.name for info, answer in zip(unclear, answers, strict=True) if answer}
        no_images = {info.name: info for info in named if info.name not in images}
        if self._passed_over:
            self._passed_over.add([*no_images.values()])
        return [info.name not in no_images for info in infos]

    def _may_be_image(self, info: ObjectInfo) -> bool:
        try:
            return begins_like_an_image(self._folder.head(info))
        except BadInput:
            return True


def images_of(folder: Folder) -> Iterator[ObjectInfo]:
    """The images of a folder; other files are counted in `folder.ignored`."""
    check, stream = ImageCheck(folder), folder.list()
    while batch := list(islice(stream, _BATCH)):
        for info, is_image in zip(batch, check.are_images(batch), strict=True):
            if is_image:
                yield info
            else:
                folder.ignored.add(NOT_AN_IMAGE, info.uri)


def rules_digest() -> str:
    """Changes with the rules that say which listed files are images; what former rules passed over is looked at again."""
    names: Sequence[Iterable[Any]] = (
        SUFFIXES,
        _other_suffixes(),
        _BRANDS,
        SYSTEM_FOLDERS,
        SYSTEM_PATTERNS,
    )
    return digest_of([*(sorted(each) for each in names), [start.hex() for start in _STARTS]])


@cache
def _other_suffixes() -> frozenset[str]:
    known: Iterable[tuple[str, str]] = mimetypes.MimeTypes().types_map[True].items()  # Python's own, not the machine's
    return frozenset(_OTHER.split()) | {
        suffix for suffix, kind in known if kind != "application/octet-stream" and suffix not in SUFFIXES
    }
