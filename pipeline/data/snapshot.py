"""snapshot: an immutable, content-addressed list of images, captions, objects and splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.errors import SettingsError, SourceChanged
from pipeline.core.settings import Effect, SourceSettings, settings_with
from pipeline.data.sources.base import SPLITS, CaptionedImage, LabelledBox, Source
from pipeline.imaging.decode import DECODING, decoding_of
from pipeline.metrics.gendered_words import neutral
from pipeline.metrics.normalisation import in_case_of
from pipeline.storage.files import digest_of, read_json_if_whole, sha256, write_json
from pipeline.storage.stage_outputs import StageOutput, Store
from pipeline.storage.tables.corrections import CORRECTED

_VERSION = 1

_TEXT, _WHOLE, _REAL = pa.string(), pa.int64(), pa.float64()
SCHEMAS = {
    "images": pa.schema({"image": _TEXT, "uri": _TEXT, "sha256": _TEXT, "split": _TEXT, "bytes": _WHOLE}),
    "captions": pa.schema({"image": _TEXT, "position": _WHOLE, "caption": _TEXT}),
    "objects": pa.schema(
        {"image": _TEXT, "label": _TEXT, "left": _REAL, "top": _REAL, "width": _REAL, "height": _REAL}
    ),
}


@dataclass(frozen=True)
class Snapshot:
    """The tables of a snapshot, or of what validation accepted of it."""

    images: pd.DataFrame  # image, uri, sha256 (empty where the file could not be read), split, bytes
    captions: pd.DataFrame  # image, position (0 is the first of its image), caption
    objects: pd.DataFrame  # image, label, and left, top, width, height in pixels

    @classmethod
    def load(cls, path: Path) -> Snapshot:
        """Read the tables that a stage wrote below `path`."""
        return cls(*(pd.read_parquet(path / f"{name}.parquet") for name in SCHEMAS))

    def images_of(self, split: str) -> pd.DataFrame:
        """The images of a split."""
        return self.images[self.images["split"] == split]

    def captions_of(self, split: str) -> pd.DataFrame:
        """The captions of a split's images."""
        return self._of(self.captions, split)

    def objects_of(self, split: str) -> pd.DataFrame:
        """The true objects in a split's images."""
        return self._of(self.objects, split)

    def references(self, split: str) -> dict[str, list[str]]:
        """Every caption of a split by image, in the images' order."""
        captions = self.captions_of(split)
        grouped = {str(image): list(group) for image, group in captions.groupby("image")["caption"]}
        return {image: grouped[image] for image in self.images_of(split)["image"]}

    def fingerprint(self, split: str) -> str:
        """Digest of a split: its images' bytes and their captions, by name."""
        images = self.images_of(split)
        return digest_of([dict(zip(images["image"], images["sha256"], strict=True)), self.references(split)])

    def boxes(self, split: str) -> dict[str, list[LabelledBox]]:
        """The true objects in each image of a split; an empty list where the source has none."""
        boxes: dict[str, list[LabelledBox]] = {image: [] for image in self.images_of(split)["image"]}
        for image, *box in self.objects_of(split)[SCHEMAS["objects"].names].values.tolist():
            boxes[image].append(LabelledBox(*box))
        return boxes

    def _of(self, table: pd.DataFrame, split: str) -> pd.DataFrame:
        return table[table["image"].isin(self.images_of(split)["image"])]


def take_snapshot(settings: SourceSettings, source: Source, store: Store) -> StageOutput:
    """List a source once: `images`, `captions` and `objects` as parquet files.

    A split that the source lacks is cut from train by the digest of the image's bytes, so that an image keeps its
    split when others join and equal images stay together. An unreadable image is listed with an empty digest, until a
    later call can read it.
    """

    def build(folder: Path) -> None:
        tables, decoding = _tables(source.captioned_images())
        tables["captions"]["caption"] = tables["captions"]["caption"].map(rewriting(settings))
        images = tables["images"]
        corrected = images["image"].str.startswith(CORRECTED)
        kept_apart = in_held_out_share(images[corrected], settings.corrections_held_out)
        images["split"] = pd.concat([cut(images[~corrected], settings), kept_apart]).sort_index()
        if settings.max_train_images is not None:
            tables = _fewer(tables, settings.max_train_images)
        for name, schema in SCHEMAS.items():
            pq.write_table(pa.Table.from_pandas(tables[name], schema, preserve_index=False), folder / f"{name}.parquet")
        write_json(folder / "figures.json", _figures(tables) | {"decoding": decoding, "decodings": DECODING})

    shaping = settings.model_dump(mode="json", include=settings_with(Effect.ON_SNAPSHOT, SourceSettings))
    if_set = settings_with(Effect.ON_SNAPSHOT_IF_SET, SourceSettings)
    shaping |= settings.model_dump(mode="json", include=if_set, exclude_defaults=True)
    inputs = {"source": source.fingerprint()}
    return store.run("snapshot", _VERSION, shaping, inputs, build, lambda output: _readable_now(output, source))


def _readable_now(snapshot: StageOutput, source: Source) -> list[str]:
    """The URIs of images that could not be read when a snapshot was taken, and can be now."""
    if not snapshot.figures().get("unreadable"):
        return []
    images = Snapshot.load(snapshot.path).images
    unreadable = images["uri"][images["sha256"] == ""].unique()
    return [uri for uri, data in source.read(list(unreadable)) if data is not None]


def rewriting(settings: SourceSettings) -> Callable[[str], str]:
    """How a snapshot writes a caption of its source: in the language's case, and without people's gender if so set."""
    rewrite = neutral if settings.people_terms == "neutral" else str
    in_case = in_case_of(settings.language)
    return lambda caption: rewrite(in_case(caption))


def decoding_of_images(snapshot: StageOutput, source: Source, store: Store) -> int:
    """The first decoding (see `DECODING`) that gives all images of a snapshot the pixels of today.

    A snapshot says so itself, but one from before this decoding. Its images are read once more, and `decodings` in the
    store keeps the answer.
    """
    kept = store.root / "decodings" / f"{snapshot.digest[:32]}.json"
    for figures in (snapshot.figures(), read_json_if_whole(kept) or {}):
        if figures.get("decodings") == DECODING:
            return int(figures["decoding"])
    images = Snapshot.load(snapshot.path).images
    found = check_images(source, images[images["sha256"] != ""])
    each = [decoding_of(data) if isinstance(data, bytes) else 0 for _, _, data in found]
    decoding = max(each, default=1) or 1
    if all(each):  # else an image that cannot be read now may be another time
        write_json(kept, {"decoding": decoding, "decodings": DECODING})
    return decoding


def cut(images: pd.DataFrame, settings: SourceSettings) -> pd.Series[str]:
    """Every image's split; one that the source lacks is cut from train by digest.

    test takes the lowest digests and val the highest, so neither moves when the other's size does. `images` has the
    columns sha256 and split, None for an image that the source does not assign.
    """
    split = images["split"].fillna("train")
    digests = sorted(set(images["sha256"][split == "train"]) - {""})
    present = set(split)
    test = set() if "test" in present else _outermost(digests, settings.test_cut, "source.test_cut")
    val = set() if "val" in present else _outermost(digests, settings.val_cut, "source.val_cut", highest=True)
    if digests and (test & val or len(test | val) == len(digests)):
        raise SettingsError(
            f"source.test_cut={settings.test_cut:g} and source.val_cut={settings.val_cut:g} leave none of the "
            f"{len(digests)} different training images to train on; lower them"
        )
    is_train = split == "train"
    split = split.mask(is_train & images["sha256"].isin(test), "test")
    return split.mask(is_train & images["sha256"].isin(val), "val")


def in_held_out_share(images: pd.DataFrame, share: float) -> pd.Series[str]:
    """The split of each corrected image by its digest alone, so that it keeps it when others join."""
    places = images["sha256"].map(lambda digest: _place(digest) if digest else 0.5)
    split = pd.Series("train", images.index, dtype=str)
    return split.mask(places < share / 2, "test").mask(places > 1 - share / 2, "val")


def read_images(source: Source, images: pd.DataFrame) -> Iterator[tuple[str, bytes]]:
    """SHA-256 and encoded bytes of listed images, in any order; SourceChanged where an image has not the listed bytes."""
    for _, sha, data in check_images(source, images):
        if isinstance(data, SourceChanged):
            raise data
        yield sha, data


def check_images(source: Source, images: pd.DataFrame) -> Iterator[tuple[str, str, bytes | SourceChanged]]:
    """Name, SHA-256 and encoded bytes, or why they are not as listed, of images in any order."""
    listed: dict[str, list[tuple[str, str]]] = {}
    for image, uri, sha in zip(images["image"], images["uri"], images["sha256"], strict=True):
        listed.setdefault(uri, []).append((image, sha))
    for uri, data in source.read(list(listed)):
        current = None if data is None else sha256(data)
        for image, sha in listed[uri]:
            yield image, sha, data if data is not None and current == sha else _changed(image, uri, sha, current)


def _changed(image: str, uri: str, listed: str, current: str | None) -> SourceChanged:
    now = f"has SHA-256 {current[:12]}" if current else "cannot be read"
    return SourceChanged(
        f"image {image!r} at {uri!r} was listed with SHA-256 {listed[:12]} and now {now}; take a new snapshot"
    )


def _tables(source: Iterable[CaptionedImage]) -> tuple[dict[str, pd.DataFrame], int]:
    """The tables' rows, and the latest decoding that an image needs; of the images' bytes only the digest is kept."""
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in SCHEMAS}
    names: set[str] = set()
    decoding = 1
    for each in source:
        image, data = each.image, each.data
        if image in names:
            raise SettingsError(f"the source lists two images named {image!r}; names must be unique")
        names.add(image)
        digest = "" if data is None else sha256(data)
        decoding = max(decoding, decoding_of(data or b""))
        rows["images"].append((image, each.uri, digest, each.split, len(data or b"")))
        rows["captions"] += [(image, position, text) for position, text in enumerate(each.captions)]
        rows["objects"] += [(image, box.label, box.left, box.top, box.width, box.height) for box in each.objects]
    return {name: pd.DataFrame(rows[name], columns=schema.names) for name, schema in SCHEMAS.items()}, decoding


def _fewer(tables: dict[str, pd.DataFrame], most: int) -> dict[str, pd.DataFrame]:
    """The tables with the training images of the lowest digests only; corrected ones stay."""
    images = tables["images"]
    train = images[(images["split"] == "train") & ~images["image"].str.startswith(CORRECTED)]
    dropped = set(train.sort_values("sha256", kind="stable")["image"].iloc[most:])
    return {name: table[~table["image"].isin(dropped)].reset_index(drop=True) for name, table in tables.items()}


def _outermost(digests: list[str], size: float, name: str, *, highest: bool = False) -> set[str]:
    """The lowest or the highest of sorted digests: a share of all where `size` is below 1, else their number."""
    if size < 1:
        return {digest for digest in digests if (_place(digest) >= 1 - size if highest else _place(digest) < size)}
    if size != int(size):
        raise SettingsError(f"{name} is {size:g}; give a share below 1 or a whole number of images")
    return set(digests[-int(size) :] if highest else digests[: int(size)])


def _place(digest: str) -> float:
    """Where a digest lies between 0 and 1."""
    return int(digest[:16], 16) / 2**64


def _figures(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    images = tables["images"]
    counts = images["split"].value_counts()
    return {
        "images": {split: int(counts.get(split, 0)) for split in SPLITS},
        "captions": len(tables["captions"]),
        "objects": len(tables["objects"]),
        "unreadable": int((images["sha256"] == "").sum()),
        "content": digest_of({name: sha256(table.to_csv(index=False).encode()) for name, table in tables.items()}),
    }
