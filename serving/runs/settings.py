"""Typed settings of a night; the same model is Airflow's form, the YAML file, and the command line's options and `--set`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from pipeline.core.globs import glob_pattern
from pipeline.core.settings import Group, PathMark, checked
from pipeline.core.settings.base import Address
from serving.runs.clock import TIME_OF_DAY, next_time
from serving.runs.day_layout import Layout

if TYPE_CHECKING:
    from pipeline.imaging.decode import Fit, ImageLimits
    from pipeline.imaging.sandbox import Work
    from pipeline.storage.tables.replay import Replay

_Path = Annotated[Address | None, PathMark()]
_Share = Annotated[float, Field(ge=0, le=1)]
_ASKED = ("manifest", "policy", "model", "replay_reasons", "replay_night", "replay_images")


class NightSettings(Group):
    """Everything `caption_nightly` needs."""

    sections: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "": ("input", "model", "max_images", "stop_at"),
        "A night that is held back": ("held_night", "accept_quarantine", "accept_drift", "accept_empty"),
        "Which images": ("manifest", "exclude", "layout", "late_days", "policy", "registry_down", "time_zone"),
        "Replay": ("replay_reasons", "replay_night", "replay_images"),
        "Outputs": (
            "table",
            "output",
            "write_jsonl",
            "write_csv",
            "write_sidecars",
            "alternatives",
            "max_caption_length",
            "gallery_size",
            "experiment",
        ),
        "Doubtful images and captions": ("unusable", "withhold_below"),
        "What holds a night back": (
            "max_quarantine_share",
            "quarantine_floor",
            "max_picture_drift",
            "max_caption_drift",
            "max_top_caption_rise",
            "drift_floor",
        ),
        "Limits of an image": ("max_image_bytes", "max_megapixels", "min_side", "decode_seconds", "decoder_memory_mb"),
        "Work": ("shard_size", "part_size", "readers", "decoders", "store_patience_s"),
    }

    input: _Path = Field(
        None, description="Folder of new images, or s3://bucket/prefix, under a root; empty for NIGHTCAP_INPUT."
    )
    manifest: _Path = Field(
        None,
        description="List of the input's objects, instead of listing it: a Parquet or CSV file (with a header, "
        "perhaps gzipped) of key, etag, size and last_modified, or an S3 Inventory's manifest.json (CSV or Parquet); a "
        "path or s3://bucket/key under a root.",
    )
    exclude: tuple[str, ...] | None = Field(
        None,
        description="Globs, a line each, of files and folders that are left out: *_small.jpg at any depth, /private or "
        "2026/**/raw from the input on. System folders are left out anyway.",
    )
    layout: str | None = Field(
        None,
        description="Day in the input's folders, as %Y/%m/%d or */%Y-%m-%d: only the last days are listed. Empty for all.",
    )
    late_days: int = Field(
        2, ge=0, le=366, description="With a layout, days before the first unfinished one that are listed again."
    )
    policy: Literal["new", "older_version", "everything"] = Field(
        "new",
        description="new: images without a caption; older_version: also images that only an older version captioned; "
        "everything: all images that this version has not captioned.",
    )
    replay_reasons: tuple[str, ...] | None = Field(
        None,
        description="Reasons, a line each: replay only images quarantined for one of them. Empty for new images.",
    )
    replay_night: str | None = Field(
        None,
        min_length=1,
        description="Replay only images of this night: all that this version has not captioned, or those of "
        "replay_reasons.",
    )
    replay_images: tuple[str, ...] | None = Field(
        None, description="Replay only these images, a line each, as the table names them; empty for all."
    )
    table: _Path = Field(
        None, description="Delta table of captions, a local path under a root; empty for NIGHTCAP_CAPTIONS."
    )
    model: Annotated[Address, PathMark()] = Field(
        "models:/captioner@champion",
        min_length=1,
        description="models:/name@alias, models:/name/version or a bundle's folder; pinned when the night is planned.",
    )
    registry_down: Literal["fail", "last_known"] = Field(
        "fail",
        description="When MLflow does not answer. fail: nothing is planned; last_known: the version of the last night, "
        "if nobody promoted since and this machine has its files unaltered.",
    )
    max_images: int | None = Field(
        50_000, ge=1, description="Most images a night, the newest first; the others wait. Empty for all."
    )
    stop_at: str | None = Field(
        None,
        pattern=TIME_OF_DAY,
        description="HH:MM after which no part is begun; the finished parts are published. Empty for no end.",
    )
    time_zone: str = Field("UTC", description="The time zone of stop_at, such as Europe/Paris.")
    shard_size: int = Field(
        2000,
        ge=1,
        le=100_000,
        description="Images a shard, which loads the model once; more where a night would have over 1,000 shards.",
    )
    part_size: int = Field(300, ge=1, le=2000, description="Images written at once; a retry repeats no more.")
    readers: int = Field(4, ge=1, le=64, description="Threads of a shard that read ahead of the model.")
    decoders: int = Field(
        2, ge=1, le=64, description="Processes of a shard that decode; an image that kills one costs only itself."
    )
    decode_seconds: float = Field(
        4.0,
        gt=0,
        le=600,
        description="Most CPU time to decode an image, in seconds; four times as much for HEIC and AVIF.",
    )
    decoder_memory_mb: int = Field(
        950, ge=100, le=100_000, description="Most memory to decode an image, in megabytes: about 17 a megapixel."
    )
    store_patience_s: int = Field(
        300, ge=10, le=86_400, description="Seconds that an object store may fail to answer before a shard does."
    )
    max_image_bytes: int = Field(50_000_000, ge=1, description="Largest encoded image in bytes.")
    max_megapixels: float = Field(50.0, gt=0, le=170, description="Largest image in megapixels.")
    min_side: int = Field(8, ge=1, description="Smallest side of an image in pixels.")
    unusable: Literal["record", "withhold", "quarantine"] = Field(
        "withhold",
        description="Images with a flag (small, blank, dark, blurred). record: captioned like others; withhold: their "
        "caption stays in the table, unpublished; quarantine: not captioned. The last two count as quarantined.",
    )
    withhold_below: float | None = Field(
        0.0,
        ge=0,
        description="Captions with less confidence are withheld: CIDEr-D as a fraction, so 0.3 is the 30 that pages show. "
        "Empty for the model's own limit, 0 for none.",
    )
    max_quarantine_share: _Share = Field(
        0.05,
        description="Above this share of quarantined images a night is held back; captions that are withheld for their "
        "low confidence do not count.",
    )
    quarantine_floor: int = Field(
        20, ge=1, description="Fewer quarantined images than this never hold a night back, whatever their share."
    )
    accept_quarantine: bool = Field(False, description="Publish whatever the share of quarantined images.")
    max_picture_drift: _Share = Field(
        0.2,
        description="A night is held back if its images' features are further than this, beyond chance, from the model's "
        "reference (Jensen-Shannon divergence).",
    )
    max_caption_drift: _Share = Field(0.3, description="The same of the captions: their words, scores and confidence.")
    max_top_caption_rise: _Share = Field(
        0.25, description="The same of the most frequent caption: the rise of its share above the reference."
    )
    drift_floor: int = Field(20, ge=1, description="A night of fewer captions is published whatever its drift.")
    accept_drift: bool = Field(False, description="Publish whatever the drift.")
    accept_empty: bool = Field(
        False,
        description="Go on although the input holds no image, or there is no table, where an earlier night saw some: it "
        "was emptied on purpose, and its disk is mounted.",
    )
    held_night: str | None = Field(
        None,
        min_length=1,
        description="A night that is held back, to be published as accept_quarantine and accept_drift say. Empty for new "
        "images.",
    )
    experiment: str | None = Field(
        "nights", min_length=1, max_length=64, description="MLflow experiment with a run a night; empty for none."
    )
    gallery_size: int = Field(60, ge=0, le=1000, description="Images in the gallery, a sample of the night's.")
    output: _Path = Field(
        None,
        description="Folder or s3://bucket/prefix under a root, for captions as files; a person's caption comes before the "
        "model's. Empty for the table only.",
    )
    write_jsonl: bool = Field(True, description="With an output, a file of JSON lines a night.")
    write_csv: bool = Field(False, description="With an output, a CSV file a night, safe to open in a spreadsheet.")
    write_sidecars: bool = Field(
        False,
        description="With an output, a text file an image, named as the image and .txt; text files of others stay.",
    )
    alternatives: int = Field(
        0,
        ge=0,
        le=20,
        description="Next best captions recorded with each caption; at most one fewer than the model's "
        "decoding.beam_width.",
    )
    max_caption_length: int | None = Field(
        None, ge=10, description="Most characters of a caption in the output, cut at a word; empty for no limit."
    )

    @field_validator("layout")
    @classmethod
    def _whole_layout(cls, text: str | None) -> str | None:
        return Layout(text).text if text else None

    @field_validator("exclude")
    @classmethod
    def _sound_globs(cls, globs: tuple[str, ...] | None) -> tuple[str, ...] | None:
        glob_pattern(globs or ())
        return globs

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, OSError, ValueError) as error:
            raise ValueError("no such time zone; use a name such as Europe/Paris") from error
        return name

    def replay(self, model: tuple[str, str]) -> Replay | None:
        """The selection of a replay; None for a night of new images. `model` is the pinned name and version."""
        from pipeline.storage.tables.replay import Replay

        if not (self.replay_reasons or self.replay_night or self.replay_images):
            return None
        return Replay(
            frozenset(self.replay_reasons or ()), self.replay_night, frozenset(self.replay_images or ()), model
        )

    def asked(self) -> dict[str, Any]:
        """The settings that may not differ when a run is resumed, beside input and table."""
        values = {name: getattr(self, name) for name in _ASKED}
        return {name: tuple(sorted(value)) if isinstance(value, tuple) else value for name, value in values.items()}

    @property
    def is_ordinary(self) -> bool:
        """Whether only images without a caption are selected: no replay, and no policy that captions again."""
        return self.policy == "new" and self.replay(("", "")) is None

    def limits(self) -> ImageLimits:
        """The limits of an image."""
        from pipeline.imaging.decode import ImageLimits

        return ImageLimits(self.max_image_bytes, self.max_megapixels, self.min_side)

    def work(self, side: int, fit: Fit | Literal["keep"]) -> Work:
        """The work of decoders for a model that takes squares of `side` pixels, or for pages."""
        from pipeline.imaging.sandbox import Work

        return Work(self.limits(), side, fit, self.decode_seconds, self.decoder_memory_mb)

    def deadline(self, now: datetime) -> datetime | None:
        """When `stop_at` next comes after an aware moment."""
        if self.stop_at is None:
            return None
        return next_time(self.stop_at, now.astimezone(ZoneInfo(self.time_zone)))


def night_settings(values: dict[str, Any]) -> NightSettings:
    """Checked settings; SettingsError names each wrong setting, its value and what is allowed."""
    return checked(NightSettings, values)
