"""Annotation files: COCO's captions format, and reading of any JSON form with an error that says where it is wrong."""

from __future__ import annotations

import json
import logging
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError, model_validator

from pipeline.core.errors import SettingsError
from pipeline.core.text_files import file_text

log = logging.getLogger(__name__)

Form = TypeVar("Form", bound=BaseModel)


def _as_text(value: Any) -> Any:
    """An id as text: programs write 790, 790.0 and "790" for one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        return value.strip().strip("\u200b\ufeff")
    return str(value) if isinstance(value, int) else value


def _number(identifier: str) -> str:
    """An id without what pads a number; other ids as they are."""
    number = re.fullmatch(r"0*(\d+?)(?:\.0*)?", identifier)
    return str(int(number[1])) if number and len(identifier) < 100 else identifier


def _no_nan(value: Any) -> Any:
    """A table's program writes NaN where there is none."""
    return None if isinstance(value, float) and math.isnan(value) else value


_Id = Annotated[str, BeforeValidator(_as_text)]


class _CocoImage(BaseModel):
    id: _Id
    file_name: str


class _CocoCaption(BaseModel):
    image_id: _Id
    caption: Annotated[str | None, BeforeValidator(_no_nan)] = None


class CocoCaptions(BaseModel):
    """A file of COCO's captions format; other keys are ignored. A caption's `image_id` is as the images have it."""

    images: list[_CocoImage]
    annotations: list[_CocoCaption]

    def captions(self) -> Iterator[tuple[str, str]]:
        """The image's id and the caption of each annotation that has one; others may be boxes."""
        return ((each.image_id, each.caption) for each in self.annotations if each.caption is not None)

    @model_validator(mode="after")
    def _ids_as_listed(self) -> Self:
        """Programs write 9, "000000000009" and "9.0" for one; where ids are alike but for that, they are not matched."""
        listed = {each.id for each in self.images}
        counts = Counter(map(_number, listed))
        by_number = {_number(each): each for each in listed if counts[_number(each)] == 1}
        for each in self.annotations:
            if each.image_id not in listed:
                each.image_id = by_number.get(_number(each.image_id), each.image_id)
        return self


class NumberedImage(NamedTuple):
    """An image for `coco_captions`."""

    number: int
    name: str
    captions: Sequence[str]


def read_form(file: Path, form: type[Form], description: str, needs: str) -> Form:
    """Read a JSON file in any encoding of `file_text`; raises SettingsError if it is missing or malformed."""
    text = file_text(file, needs)
    try:
        read = form.model_validate_json(text)
        json.loads(text, object_pairs_hook=_require_once)
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        fault = f"{place}: {first['msg']}" if place else first["msg"] + _hint(first["msg"], text)
        message = f"{file} is no {description}: {fault} ({error.error_count()} such faults); {needs}"
        raise SettingsError(message) from error
    except ValueError as error:
        raise SettingsError(f"{file} is no {description}: {error}; {needs}") from error
    return read


def _require_once(pairs: list[tuple[str, Any]]) -> None:
    """Readers take the last of two values, so that one is lost without a word."""
    if len(dict(pairs)) < len(pairs):
        name = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {name!r} stands twice in one object; keep one")


def _hint(fault: str, text: str) -> str:
    """What may be the matter with a text that is no JSON."""
    if "trailing characters" in fault:
        return ", after a whole JSON value; JSON lines and joined files are to be made one object"
    if re.search(r"line 1 column [12]$", fault):
        return f"; it begins with {text[:20]!r}"
    return "" if text.strip() else "; it is empty"


def coco_captions(info: Mapping[str, str], images: Sequence[NumberedImage], side: int, first_id: int) -> dict[str, Any]:
    """Square images of `side` pixels in COCO's captions format; ids of captions count from `first_id`."""
    captions = [(image.number, text) for image in images for text in image.captions]
    return {
        "info": info,
        "images": [{"id": each.number, "file_name": each.name, "height": side, "width": side} for each in images],
        "annotations": [
            {"id": number, "image_id": image, "caption": text}
            for number, (image, text) in enumerate(captions, start=first_id)
        ],
    }


def read_coco_captions(file: Path) -> CocoCaptions:
    """Read a file of COCO's captions format; raises as `read_form`, and where ids name two images or no caption's image."""
    needs = "it needs images (id, file_name) and annotations (image_id, caption)"
    parsed = read_form(file, CocoCaptions, "COCO captions file", needs)
    names: dict[str, str] = {}
    repeated = [each.id for each in parsed.images if names.setdefault(each.id, each.file_name) != each.file_name]
    if repeated:
        raise SettingsError(
            f"{file}: {len(repeated)} images repeat the id of another, first {repeated[0]}; ids name one image"
        )
    others = [place for place, each in enumerate(parsed.annotations) if each.caption is None]
    if others:
        place = f"annotations[{others[0]}].caption"
        if len(others) == len(parsed.annotations):
            raise SettingsError(
                f"{file} is no COCO captions file: {place}: Field required ({len(others)} such faults); {needs}"
            )
        log.warning(
            "%s: %d of %d annotations have no caption, first %s; ignored",
            file,
            len(others),
            len(parsed.annotations),
            place,
        )
    captioned = [image for image, _ in parsed.captions()]
    unlisted = [image for image in captioned if image not in names]
    if unlisted:
        said = f"{len(unlisted)} of {len(captioned)} captions belong to images that the file does not list"
        said += f", first image_id {', '.join(list(dict.fromkeys(unlisted))[:3])}"
        if len(unlisted) == len(captioned):
            raise SettingsError(f"{file}: {said}; ids of its images are such as {', '.join(list(names)[:3]) or 'none'}")
        log.warning("%s: %s; ignored", file, said)
    return parsed


def captions_by_file_name(file: Path) -> dict[str, list[str]]:
    """The captions of each image in a COCO captions file, both in the file's order; raises as `read_form`."""
    parsed = read_coco_captions(file)
    names = {entry.id: entry.file_name for entry in parsed.images}
    captions: dict[str, list[str]] = {name: [] for name in names.values()}
    for image, caption in parsed.captions():
        captions.get(names.get(image, ""), []).append(caption)
    return captions
