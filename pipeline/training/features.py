"""extract_features: the frozen encoder's output, computed once an image and kept by content.

Features lie in parts, `features/<encoder>/<part>.npy` with a list of the images' digests beside it, so that a new
snapshot extracts only images never seen, and a crash costs one part.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.core.errors import DatasetRejected, ObjectUnavailable
from pipeline.data.snapshot import read_images
from pipeline.data.validation.stage import accepted_decoding
from pipeline.imaging.sandbox import Work, pixels_of_each
from pipeline.model.padded_batches import predict_padded
from pipeline.storage.files import digest_of, read_json, read_json_if_whole, write_bytes, write_json
from pipeline.storage.stage_outputs import StageOutput
from pipeline.training.augmentation import WHOLE_VIEW, view_of
from pipeline.training.run import TrainingRun

log = logging.getLogger(__name__)

_VERSION = 1
PART_IMAGES = 256
USE = "in_use"  # held by trainings that read or write the parts beside it

Features = npt.NDArray[np.float16]


@dataclass(frozen=True)
class _Part:
    """A file of features, opened for each image: mapped, COCO's 500 parts would hold an open file each."""

    path: Path
    start: int  # bytes before the first image
    shape: tuple[int, ...]  # positions, channels

    @classmethod
    def of(cls, path: Path) -> _Part:
        mapped = np.load(path, mmap_mode="r")
        return cls(path, mapped.offset, mapped.shape[1:])

    def read(self, row: int, into: Features) -> None:
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.start + row * into.nbytes)
            if file.readinto(into.data) != into.nbytes:
                raise ObjectUnavailable(
                    f"{self.path} ends before image {row}; remove it with its .json and run extract_features again"
                )


@dataclass(frozen=True)
class FeatureStore:
    """Features of one encoder by the SHA-256 of the image's bytes, in parts in the folder `root`."""

    root: Path

    @classmethod
    def of(cls, run: TrainingRun, view: int = WHOLE_VIEW) -> FeatureStore:
        """The features of the run's encoder under its way of fitting images, of one view of them."""
        facts = read_json(run.output("encoder").path / "encoder.json")
        decoding = accepted_decoding(run.output("validate").path)
        folder = features_folder(run.home.store, facts, run.settings.encoder.fit, view, decoding)
        while not run.held.hold(folder / USE):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / USE).touch()
        return cls(folder)

    @cached_property
    def _places(self) -> dict[str, tuple[_Part, int]]:
        places = {}
        for index in sorted(self.root.glob("*.json")):
            try:
                part = _Part.of(index.with_suffix(".npy"))
            except (ValueError, EOFError) as error:
                log.warning("%s is empty or cut, and is left out: %s", index.with_suffix(".npy"), error)
            else:
                places.update({sha: (part, row) for row, sha in enumerate(digests_in(index))})
        return places

    def __contains__(self, sha: str) -> bool:
        return sha in self._places

    def gather(self, shas: Sequence[str]) -> Features:
        """Features of some images, at least one, all of them extracted: float16 [n, positions, channels]."""
        places = [self._places[sha] for sha in shas]
        grids = np.empty((len(places), *places[0][0].shape), np.float16)
        for grid, (part, row) in zip(grids, places, strict=True):
            part.read(row, grid)
        return grids

    def batches(self, shas: Sequence[str], size: int) -> Iterator[Features]:
        """Features of some images, so many at a time; see `gather`."""
        return (self.gather(shas[start : start + size]) for start in range(0, len(shas), size))

    def add(self, shas: Sequence[str], features: npt.NDArray[np.floating[Any]]) -> None:
        """Keep a part, as float16. The index is written last: a part without one does not exist."""
        name, buffer = digest_of(list(shas))[:32], BytesIO()
        np.save(buffer, np.ascontiguousarray(features, np.float16))
        write_bytes(self.root / f"{name}.npy", buffer.getvalue())
        write_json(self.root / f"{name}.json", list(shas))


def digests_in(index: Path) -> list[str]:
    """SHA-256 of the images of a part, in its order; none if its index is empty or cut, so that the part counts as none."""
    return list(read_json_if_whole(index) or ())


def features_folder(
    store: Path, encoder: Mapping[str, Any], fit: str, view: int = WHOLE_VIEW, decoding: int = 1
) -> Path:
    """Where the features of an encoder lie, given what its stage wrote of it, of one view of images fitted in one way.

    Each decoding (see `DECODING`) has its own, as an image decoded otherwise has other features.
    """
    identity = {"version": _VERSION, "name": encoder["name"], "digest": encoder["digest"], "fit": fit}
    identity |= {"view": view} if view != WHOLE_VIEW else {}
    identity |= {"decoding": decoding} if decoding > 1 else {}
    identity |= {fact: encoder[fact] for fact in ("side", "int8_digest") if fact in encoder}
    return store / "features" / f"{encoder['name']}-{digest_of(identity)[:16]}"


def extract_shard(run: TrainingRun, shard: int) -> dict[str, int]:
    """Extract what is missing of one shard; returns how many images it has, views counted, and how many were new."""
    counts = {"images": 0, "extracted": 0}
    for view in range(run.settings.encoder.views):
        features = FeatureStore.of(run, view)
        images = wanted_images(run, view)
        # In turns at stretches of the snapshot's order: sources read on from where they are, so images picked one by
        # one would cost every shard a pass over the whole dataset.
        mine = images[np.arange(len(images)) // PART_IMAGES % run.settings.encoder.shards == shard]
        extracted = mine["sha256"].map(features.__contains__).astype(bool)  # an empty shard's would not be bool
        missing = mine[~extracted].drop_duplicates("sha256")
        if len(missing):
            _extract(run, missing, features, view)
        counts = {"images": counts["images"] + len(mine), "extracted": counts["extracted"] + len(missing)}
    return counts


def wanted_images(run: TrainingRun, view: int) -> pd.DataFrame:
    """The accepted images that need a view: all of them whole, those that are fitted to in others too."""
    return run.accepted.images if view == WHOLE_VIEW else run.accepted.images_of("train")


def check_features(run: TrainingRun) -> StageOutput:
    """Finish the stage, or raise `DatasetRejected` where an accepted image has no features."""

    def build(folder: Path) -> None:
        for view in range(run.settings.encoder.views):
            _check_view(run, view)
        features, images = FeatureStore.of(run), run.accepted.images
        shape = features.gather([images["sha256"].iloc[0]]).shape[1:]
        write_json(folder / "figures.json", {"images": len(images), "positions": shape[0], "channels": shape[1]})

    recipe = run.settings.encoder.model_dump(mode="json", include={"fit", "views"})
    return run.store.run("extract_features", _VERSION, recipe, run.inputs("validate", "encoder"), build)


def _check_view(run: TrainingRun, view: int) -> None:
    features, images = FeatureStore.of(run, view), wanted_images(run, view)
    lost = [image for image, sha in zip(images["image"], images["sha256"], strict=True) if sha not in features]
    if lost:
        raise DatasetRejected(
            f"{len(lost)} images have no features of view {view}, first {lost[0]!r}; run extract_features again"
        )


def _extract(run: TrainingRun, missing: pd.DataFrame, features: FeatureStore, view: int) -> None:
    from pipeline.training.encoder_stage import load_frozen_encoder

    settings = run.settings.encoder
    model = load_frozen_encoder(run.output("encoder"), settings.batch_size)
    done, size = 0, settings.batch_size
    work = Work.within(run.limits, model.facts.side, settings.fit)
    with closing(pixels_of_each(read_images(run.source, missing), work)) as photographs:
        while part := list(islice(photographs, PART_IMAGES)):
            decoded = [view_of(square, view) for _, square in part]
            batches = (np.stack(decoded[at : at + size]) for at in range(0, len(decoded), size))
            encoded = [predict_padded(model, size, batch).astype(np.float16) for batch in batches]  # half the memory
            features.add([sha for sha, _ in part], np.concatenate(encoded))
            done += len(part)
            log.info("extract_features: view %d, %d of %d images", view, done, len(missing))
