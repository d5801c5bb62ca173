"""What a model version is on disk: weights, words and settings; no pickle and no code.

    encoder.weights.h5   decoder.weights.h5   vocabulary.txt   settings.json   confidence.json
    reference.json       golden/              model_card.md    SHA256SUMS

With the engine `openvino-int8` also `encoder.int8.xml` and `encoder.int8.bin`, which then encode.
`confidence.json` says how far to trust a caption and which to withhold. `SHA256SUMS` lists every other file; its own
SHA-256 is the bundle's digest. Format 1 was of decoders that are no more, and was never released; format 2 called its
number `format`; until format 3 weights need not say which words they were trained with.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from pipeline.core.errors import BundleRejected, ModelNotFound
from pipeline.core.settings import DecoderSettings, DecodingSettings, EncoderName, Group
from pipeline.model.bundle_safety import check_content, check_name
from pipeline.model.int8_encoder import INT8_GRAPH, INT8_NUMBERS
from pipeline.model.vocabulary import Vocabulary
from pipeline.storage.files import read_json, sha256_file, write_json, write_text

FORMAT: Final = 4
_Engine = Literal["tensorflow-float32", "openvino-int8"]
ENGINE, INT8_ENGINE = get_args(_Engine)
SUMS = "SHA256SUMS"
ENCODER, DECODER = "encoder.weights.h5", "decoder.weights.h5"
VOCABULARY, SETTINGS, CONFIDENCE = "vocabulary.txt", "settings.json", "confidence.json"
REFERENCE, CARD, GOLDEN = "reference.json", "model_card.md", "golden"
ENGINES: Final = {"tensorflow": ENGINE, "int8": INT8_ENGINE}  # by the setting `encoder.engine`
_REQUIRED = frozenset({ENCODER, DECODER, VOCABULARY, SETTINGS, CONFIDENCE, REFERENCE, CARD, f"{GOLDEN}/captions.json"})


class PixelSettings(Group):
    """How an image becomes what the encoder takes: a square of `side` pixels, not yet preprocessed."""

    side: int = Field(ge=1, le=1024)
    fit: Literal["squash", "pad", "crop"]
    interpolation: Literal["bicubic"]
    value_range: tuple[Literal[0], Literal[255]] = (0, 255)


class BundleSettings(Group):
    """The architecture, so that loading rebuilds it from our own code."""

    format_version: Literal[3, 4] = FORMAT
    engine: _Engine = ENGINE
    encoder: EncoderName
    positions: int
    channels: int
    pixels: PixelSettings
    decoder: DecoderSettings
    decoding: DecodingSettings
    normalisation: Literal[1, 2] = 1  # the form of the words; bundles that name none are of the first

    @model_validator(mode="before")
    @classmethod
    def _of_an_older_format(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("format") == 2 and "format_version" not in values:
            return {name: value for name, value in values.items() if name != "format"} | {"format_version": 3}
        return values

    @property
    def bound(self) -> bool:
        """Whether the decoder's weights must say which words they were trained with."""
        return self.format_version >= 4


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are all there and unaltered; its digest is the SHA-256 of `SHA256SUMS`, hence of every file."""

    path: Path
    digest: str
    settings: BundleSettings
    vocabulary: Vocabulary


def seal(folder: Path) -> str:
    """Write `SHA256SUMS` over all files of a finished bundle and return its digest."""
    lines = [f"{sha256_file(path)}  {name}\n" for name, path in _files(folder).items()]
    write_text(folder / SUMS, "".join(lines))
    return sha256_file(folder / SUMS)


def write_settings(folder: Path, settings: BundleSettings) -> None:
    """Write `settings.json`."""
    write_json(folder / SETTINGS, settings.model_dump(mode="json"))


def read_bundle(folder: Path, expected_digest: str | None = None) -> Bundle:
    """Check a bundle's files against its digests, and these against the registry's; ModelNotFound or BundleRejected."""
    if not (folder / SUMS).is_file():
        raise ModelNotFound(f"{folder} is no model bundle: it holds no {SUMS}")
    digest = sha256_file(folder / SUMS)
    if expected_digest is not None and digest != expected_digest:
        raise BundleRejected(
            f"{folder}: {SUMS} has digest {digest}, the registry says {expected_digest}; register it anew"
        )
    _check_files(folder)
    settings = _read_settings(folder)
    for name in (INT8_GRAPH, INT8_NUMBERS):
        if (settings.engine == INT8_ENGINE) != (folder / name).is_file():
            raise BundleRejected(f"{folder}: {SETTINGS} names engine {settings.engine}, which {name} does not fit")
    return Bundle(folder, digest, settings, Vocabulary.read(folder / VOCABULARY, settings.normalisation))


def _check_files(folder: Path) -> None:
    listed, present = _listed(folder), _files(folder)
    for name in sorted(_REQUIRED - listed.keys()):
        raise BundleRejected(f"{folder}: {SUMS} does not list {name}, which every bundle has; register the model anew")
    for name in sorted(present.keys() ^ listed.keys()):
        what = "is not listed" if name in present else "is missing"
        raise BundleRejected(f"{folder}: {name} {what}; fetch the bundle again or register it anew")
    for name, path in present.items():
        if sha256_file(path) != listed[name]:
            raise BundleRejected(f"{folder}: {name} was altered after the bundle was sealed; fetch it again")
    try:  # what a bundle never needs is refused, even if it is listed and as it was registered
        for name, path in present.items():
            check_name(name, _REQUIRED | {INT8_GRAPH, INT8_NUMBERS})
            check_content(name, path)
    except BundleRejected as error:
        raise BundleRejected(f"{folder}: {error}") from error


def _listed(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except ValueError as error:
        raise BundleRejected(f"{folder}: {SUMS} is malformed") from error


def _read_settings(folder: Path) -> BundleSettings:
    try:
        return BundleSettings.model_validate(read_json(folder / SETTINGS))
    except (ValidationError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise BundleRejected(
            f"{folder}: {SETTINGS} is not understood by this version of Nightcap: {reason}; train again"
        ) from error


def _files(folder: Path) -> dict[str, Path]:
    """Every file but the list itself by its relative path, in byte order; links, pipes and empty folders are refused."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise BundleRejected(f"{folder}: {path.name} is a symbolic link, which no bundle holds")
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and any(path.iterdir()):
            continue  # what it holds has its turn
        if not path.is_file():  # to read a pipe would wait for ever
            raise BundleRejected(
                f"{folder}: {name} is no file and no folder of files, which no bundle holds; fetch it again"
            )
        if name != SUMS:
            files[name] = path
    return files
