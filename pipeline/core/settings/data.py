"""Settings of the captioned photographs and of their words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from pipeline.core.globs import glob_pattern
from pipeline.core.languages import language_code
from pipeline.core.settings.base import Address, Effect, Group, PathMark

_File = Annotated[Path | None, PathMark()]
_Share = Annotated[float, Effect.ON_SNAPSHOT]


class SourceSettings(Group):
    """Where captioned photographs come from."""

    kind: Annotated[Literal["scenes", "coco_json", "tfds"], Effect.ON_SNAPSHOT] = Field(
        "scenes",
        description="scenes: built-in images; coco_json: a COCO captions file beside a folder; tfds: TensorFlow Datasets.",
    )
    images: Annotated[
        Address | None, BeforeValidator(lambda given: str(given) if isinstance(given, Path) else given), PathMark()
    ] = Field(
        None,
        description="coco_json: the folder, or s3://bucket/prefix, that the annotations' file names are relative to.",
    )
    exclude: Annotated[tuple[str, ...] | None, Effect.ON_SNAPSHOT_IF_SET] = Field(
        None,
        description="coco_json: globs of files and folders whose images are left out: *_small.jpg at any depth, /private from "
        "`images` on. System folders are left out anyway.",
    )
    train_annotations: _File = Field(None, description="coco_json: captions that fit the model.")
    val_annotations: _File = Field(None, description="coco_json: captions that choose; cut from train if empty.")
    test_annotations: _File = Field(None, description="coco_json: captions that judge; cut from train if empty.")
    dataset: str = Field("coco_captions/2014", description="tfds: the dataset's name and configuration.")
    data_dir: Annotated[_File, Effect.NOT_ON_LEARNING] = Field(
        None, description="tfds: where prepared datasets lie; empty for TFDS' own default."
    )
    scene_count: int = Field(3000, ge=60, le=100_000, description="scenes: how many images to draw.")
    scene_side: int = Field(112, ge=96, le=128, description="scenes: side of an image in pixels.")
    scene_seed: int = Field(7, ge=0, description="scenes: seed of the generator.")
    val_cut: _Share = Field(
        0.1,
        gt=0,
        description="Share (below 1) or number (1 or more) of training images cut for val where the source has none.",
    )
    test_cut: _Share = Field(
        0.1,
        gt=0,
        description="Share (below 1) or number (1 or more) of training images cut for test where the source has none.",
    )
    max_images: Annotated[int | None, Effect.ON_SNAPSHOT] = Field(
        None, ge=10, description="Take at most so many images of each split; empty for all."
    )
    max_train_images: Annotated[int | None, Effect.ON_SNAPSHOT_IF_SET] = Field(
        None, ge=10, description="Fit to at most so many training images, taken by digest; empty for all."
    )
    people_terms: Annotated[Literal["as_written", "neutral"], Effect.ON_SNAPSHOT_IF_SET] = Field(
        "as_written", description="neutral: people's gender is left out of all captions (a man becomes a person)."
    )
    language: Annotated[
        Annotated[str, AfterValidator(language_code)] | None,
        BeforeValidator(lambda given: "no" if given is False else given or None),  # YAML reads Norwegian as false
        Effect.ON_SNAPSHOT_IF_SET,
    ] = Field(
        None,
        description="Code of the captions' language, such as en, zh, ja, th or tr; captions in another script stop the "
        "training, and tr and az read I as their capital of the dotless i. Empty to detect it from the script.",
    )
    terms: Annotated[Address | None, Effect.NOT_ON_LEARNING] = Field(
        None, description="Licence or terms of the images and captions, for the model card; empty where not known."
    )
    corrections: Annotated[Address | None, PathMark(file_relative=False, published=True, words=("none",))] = Field(
        None,
        description="Delta table of people's corrections that join the snapshot; empty for corrections in NIGHTCAP_STORE, "
        "if there are any; none for none.",
    )
    corrections_held_out: Annotated[float, Effect.ON_SNAPSHOT_IF_SET] = Field(
        0.2, ge=0, le=0.9, description="Share of the corrected images, by digest, for val and test in equal parts."
    )
    corrections_to_train: int = Field(
        500, ge=1, description="How many new corrections start a training by themselves (`watch_corrections`)."
    )

    @field_validator("exclude")
    @classmethod
    def _sound_globs(cls, globs: tuple[str, ...] | None) -> tuple[str, ...] | None:
        glob_pattern(globs or ())
        return globs

    @model_validator(mode="after")
    def _files_are_named(self) -> Self:
        if self.kind == "coco_json" and not (self.images and self.train_annotations):
            raise ValueError("source.kind=coco_json needs source.images and source.train_annotations")
        return self


class ValidationSettings(Group):
    """What a dataset must be to be trained on."""

    # The largest differences from the reference: of caption lengths, of the frequencies of the 300 most common words, of
    # the share of words that the reference does not know, and of brightness, contrast and the like.
    constants: ClassVar = {
        "max_length_drift": 0.2,
        "max_word_drift": 0.15,
        "max_new_words": 0.05,
        "max_image_drift": 0.2,
    }

    min_side: int = Field(32, ge=1, description="Smallest side of an image in pixels.")
    max_megapixels: float = Field(50.0, gt=0, le=170, description="Largest image in megapixels.")
    max_image_bytes: int = Field(50_000_000, ge=1, description="Largest encoded image in bytes.")
    min_caption_words: int = Field(2, ge=1, description="Fewest words in a caption.")
    max_caption_words: int = Field(60, ge=1, description="Most words in a caption.")
    max_caption_repeats: int = Field(
        50, ge=1, description="How often one caption may occur word for word, with a floor of 1% of all captions."
    )
    min_images: int = Field(20, ge=3, description="Fewest accepted images in each split.")
    max_quarantine_share: float = Field(
        0.05, ge=0, le=1, description="Largest share of images or captions that may be quarantined."
    )
    near_duplicate_bits: int | None = Field(
        14,
        ge=0,
        le=24,
        description="Images of two splits look the same if so many of 63 bits of their hashes differ at most; empty to compare none.",
    )
    waivers: Annotated[Path | None, PathMark(published=True)] = Field(
        None, description="Lines of nightcap quarantine that a person has read and accepts in spite of their reason."
    )
    reference: Annotated[str, PathMark(file_relative=False, published=True, words=("last", "none"))] = Field(
        "last",
        min_length=1,
        description="What the snapshot is compared with: last, the last accepted one of this source; none; or a profile.json.",
    )
    drift: Literal["reject", "warn"] = Field(
        "reject",
        description="warn: a snapshot that differs too much is accepted, and is what the next is compared with.",
    )


class VocabularySettings(Group):
    """The words that the model can write."""

    vocabulary_size: int = Field(10_000, ge=8, le=200_000, description="Most words, the four special ones included.")
    min_count: int = Field(1, ge=1, description="A word must occur so often in the training captions.")
