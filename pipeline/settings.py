"""Typed settings. One model is the YAML file, `--set`, Airflow's form and the reference page.

Nothing here reads the environment at import; `Home.from_environment` does, at the edge.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import SettingsError

PRESETS = Path(__file__).parent / "presets"
ENCODERS = ("scenes", "inception_resnet_v2", "resnet50", "mobilenet", "xception")


class Group(BaseModel):
    """A group of settings; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


Settings = TypeVar("Settings", bound=Group)


class SourceSettings(Group):
    """Where captioned photographs come from."""

    kind: Literal["scenes", "coco_json", "tfds"] = Field(
        "scenes",
        description="scenes: built-in pictures; coco_json: a COCO captions file beside a folder; tfds: TensorFlow Datasets.",
    )
    images: Path | None = Field(None, description="coco_json: the folder the annotations' file names are relative to.")
    train_annotations: Path | None = Field(None, description="coco_json: captions that fit the model.")
    val_annotations: Path | None = Field(None, description="coco_json: captions that choose; cut from train if empty.")
    test_annotations: Path | None = Field(None, description="coco_json: captions that judge; cut from train if empty.")
    dataset: str = Field("coco_captions/2014", description="tfds: the dataset's name and configuration.")
    data_dir: Path | None = Field(None, description="tfds: where prepared datasets lie; empty for TFDS' own default.")
    scene_count: int = Field(3000, ge=60, le=100_000, description="scenes: how many pictures to draw.")
    scene_side: int = Field(112, ge=96, le=128, description="scenes: side of a picture in pixels.")
    scene_seed: int = Field(7, ge=0, description="scenes: seed of the generator.")
    val_cut: float = Field(
        0.1,
        gt=0,
        description="Share (below 1) or number (1 or more) of training images cut for val where the source has none.",
    )
    test_cut: float = Field(
        0.1,
        gt=0,
        description="Share (below 1) or number (1 or more) of training images cut for test where the source has none.",
    )
    max_images: int | None = Field(None, ge=10, description="Take at most so many images of each split; empty for all.")

    @model_validator(mode="after")
    def _files_are_named(self) -> Self:
        if self.kind == "coco_json" and not (self.images and self.train_annotations):
            raise ValueError("source.kind=coco_json needs source.images and source.train_annotations")
        return self


class ValidationSettings(Group):
    """What a dataset must be to be trained on."""

    min_side: int = Field(32, ge=1, description="Smallest side of a picture in pixels.")
    max_megapixels: float = Field(50.0, gt=0, le=170, description="Largest picture in megapixels.")
    max_image_bytes: int = Field(50_000_000, ge=1, description="Largest encoded picture in bytes.")
    min_caption_words: int = Field(2, ge=1, description="Fewest words in a caption.")
    max_caption_words: int = Field(60, ge=1, description="Most words in a caption.")
    max_caption_repeats: int = Field(
        50, ge=1, description="How often one caption may occur word for word, with a floor of 1% of all captions."
    )
    min_images: int = Field(20, ge=3, description="Fewest accepted images in each split.")
    max_quarantine_share: float = Field(
        0.05, ge=0, le=1, description="Largest share of images or captions that may be quarantined."
    )


class VocabularySettings(Group):
    """Which words the model can say."""

    vocabulary_size: int = Field(10_000, ge=8, le=200_000, description="Most words, the four special ones included.")
    min_count: int = Field(1, ge=1, description="A word must occur so often in the training captions.")


class EncoderSettings(Group):
    """The frozen image network."""

    name: Literal["scenes", "inception_resnet_v2", "resnet50", "mobilenet", "xception"] = Field(
        "inception_resnet_v2", description="scenes (built in) or a keras.applications network."
    )
    weights: str = Field(
        "imagenet", description="imagenet, or the path of a weights file without top; ignored for scenes."
    )
    weights_sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="Digest the weights file must have; empty to accept it."
    )
    fit: Literal["squash", "pad", "crop"] = Field("squash", description="How a picture becomes square.")
    batch_size: int = Field(32, ge=1, le=1024, description="Pictures encoded at once.")
    shards: int = Field(4, ge=1, le=256, description="Parallel parts of feature extraction in the DAG.")
    epochs: int = Field(12, ge=1, le=200, description="scenes: epochs of training the small encoder.")


class DecoderSettings(Group):
    """The recurrent network that writes the words."""

    fusion: Literal["late", "early", "hybrid"] = Field(
        "hybrid", description="Where the image enters: late after the GRU (attention), early before it, hybrid both."
    )
    positions: bool = Field(True, description="Tell the decoder where in the picture each feature lies.")
    embedding: int = Field(512, ge=8, le=4096, description="Width of a word vector.")
    units: int = Field(512, ge=8, le=4096, description="Width of the GRU's state.")
    dropout: float = Field(0.3, ge=0, lt=1, description="Share of activations dropped in training.")


class TrainingSettings(Group):
    """How the decoder is fitted."""

    seed: int = Field(1, ge=0, lt=2**32, description="Seed of weights, order and dropout.")
    epochs: int = Field(20, ge=1, le=1000, description="Most epochs.")
    batch_size: int = Field(64, ge=1, le=8192, description="Captions a step.")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Peak learning rate of Adam.")
    warmup_share: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="Share of all steps in which the learning rate rises; it then falls along a cosine.",
    )
    clip_norm: float = Field(5.0, gt=0, description="Largest global norm of a step's gradient.")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Share of the target spread over all words.")
    patience: int = Field(3, ge=1, description="Epochs without better validation captions (CIDEr-D) before stopping.")
    max_words: int = Field(30, ge=3, le=200, description="Words of a caption that are trained on; the rest is cut.")


class DecodingSettings(Group):
    """How words are chosen."""

    method: Literal["greedy", "beam", "sample"] = Field("beam", description="greedy, beam, or seeded top-k sampling.")
    beam_width: int = Field(3, ge=1, le=20, description="beam: hypotheses kept.")
    length_power: float = Field(
        1.0, ge=0, le=2, description="beam: hypotheses are ranked by log-probability divided by length to this power."
    )
    top_k: int = Field(10, ge=1, description="sample: most likely words drawn from.")
    temperature: float = Field(1.0, gt=0, le=10, description="sample: above 1 flatter, below 1 sharper.")
    seed: int = Field(0, ge=0, description="sample: seed.")
    max_words: int = Field(25, ge=1, le=200, description="Longest caption in words.")


class RegistrySettings(Group):
    """Where the model is registered."""

    model_name: str = Field("captioner", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Registered model's name.")
    experiment: str = Field("captioner", min_length=1, max_length=64, description="MLflow experiment of the runs.")


class TrainSettings(Group):
    """Everything `train_captioner` needs."""

    source: SourceSettings = SourceSettings()
    validation: ValidationSettings = ValidationSettings()
    vocabulary: VocabularySettings = VocabularySettings()
    encoder: EncoderSettings = EncoderSettings()
    decoder: DecoderSettings = DecoderSettings()
    training: TrainingSettings = TrainingSettings()
    decoding: DecodingSettings = DecodingSettings()
    registry: RegistrySettings = RegistrySettings()


def preset_names() -> list[str]:
    """Names of the built-in presets, sorted."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def preset(name: str) -> dict[str, Any]:
    """The nested values of a built-in preset.

    Raises:
        SettingsError: no preset has that name.
    """
    path = PRESETS / f"{name}.yaml"
    if name not in preset_names():
        raise SettingsError(f"unknown preset {name!r}; known presets: {', '.join(preset_names())}")
    return read_yaml(path)


def read_yaml(path: Path) -> dict[str, Any]:
    """A settings file as nested values.

    Raises:
        SettingsError: the file is missing, is not YAML or is not a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"cannot read settings file {path}: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise SettingsError(f"settings file {path} holds {type(values).__name__}, expected a mapping of groups")
    return values


def assign(values: dict[str, Any], dotted: str, value: Any) -> None:
    """Set `group.field` in nested values, in place.

    Raises:
        SettingsError: the name has no group.
    """
    group, _, field = dotted.partition(".")
    if not field:
        raise SettingsError(f"setting {dotted!r} must be group.field, for example training.epochs")
    if not isinstance(values.setdefault(group, {}), dict):
        raise SettingsError(f"settings group {group!r} is not a mapping")
    values[group][field] = value


def train_settings(values: dict[str, Any]) -> TrainSettings:
    """Checked settings from nested values; a `preset` key names what they start from.

    Raises:
        SettingsError: naming each wrong setting, its value and what is allowed.
    """
    values = dict(values)
    merged = preset(values.pop("preset", "scenes"))
    for group, fields in values.items():
        if not isinstance(fields, dict):
            raise SettingsError(f"settings group {group!r} is {fields!r}, expected a mapping")
        for field, value in fields.items():
            assign(merged, f"{group}.{field}", value)
    return checked(TrainSettings, merged)


def checked(kind: type[Settings], values: dict[str, Any]) -> Settings:
    """Nested values as settings of one kind.

    Raises:
        SettingsError: naming each wrong setting, its value and what is allowed.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise SettingsError("; ".join(_complaint(kind, item) for item in error.errors())) from error


def _complaint(kind: type[Group], item: Any) -> str:
    name = ".".join(str(part) for part in item["loc"]) or "settings"
    if item["type"] == "extra_forbidden":
        return f"unknown setting {name}; known here: {', '.join(_known(kind, item['loc'][:-1]))}"
    message = item["msg"].removeprefix("Value error, ")
    given = "" if isinstance(item["input"], dict | BaseModel) else f" (given {item['input']!r})"
    return f"{name}: {message}{given}"


def _known(kind: type[BaseModel], groups: tuple[str, ...]) -> list[str]:
    for group in groups:
        nested = kind.model_fields[group].annotation
        assert isinstance(nested, type)
        kind = nested
    return list(kind.model_fields)
