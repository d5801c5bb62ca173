"""Annotation files: COCO's captions format, and reading of any JSON form with an error that says where it is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError

from pipeline.core.errors import SettingsError
from pipeline.core.text_files import file_text

Form = TypeVar("Form", bound=BaseModel)


def _as_text(value: Any) -> Any:
    """An id as text: programs write 790, 790.0 and "790" for one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int) else value.strip() if isinstance(value, str) else value


_Id = Annotated[str, BeforeValidator(_as_text)]


class _CocoImage(BaseModel):
    id: _Id
    file_name: str


class _CocoCaption(BaseModel):
    image_id: _Id
    caption: str


class CocoCaptions(BaseModel):
    """A file of COCO's captions format; other keys are ignored."""

    images: list[_CocoImage]
    annotations: list[_CocoCaption]


class NumberedImage(NamedTuple):
    """An image for `coco_captions`."""

    number: int
    name: str
    captions: Sequence[str]


def read_form(file: Path, form: type[Form], description: str, needs: str) -> Form:
    """Read a JSON file in any encoding of `file_text`; raises SettingsError if it is missing or malformed."""
    try:
        return form.model_validate_json(file_text(file, needs))
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        fault = f"{place}: {first['msg']}" if place else first["msg"]
        message = f"{file} is no {description}: {fault} ({error.error_count()} such faults); {needs}"
        raise SettingsError(message) from error


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
    """Read a file of COCO's captions format; raises as `read_form`."""
    needs = "it needs images (id, file_name) and annotations (image_id, caption)"
    return read_form(file, CocoCaptions, "COCO captions file", needs)


def captions_by_file_name(file: Path) -> dict[str, list[str]]:
    """The captions of each image in a COCO captions file, both in the file's order; raises as `read_form`."""
    parsed = read_coco_captions(file)
    names = {entry.id: entry.file_name for entry in parsed.images}
    captions: dict[str, list[str]] = {name: [] for name in names.values()}
    for annotation in parsed.annotations:
        captions.get(names.get(annotation.image_id, ""), []).append(annotation.caption)
    return captions
