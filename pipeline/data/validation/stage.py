"""validate: what may be trained on, what is quarantined, and why."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from pipeline.core.errors import DatasetRejected
from pipeline.core.reasons import OF_THE_MOMENT
from pipeline.core.settings import ValidationSettings
from pipeline.data.snapshot import SCHEMAS, Snapshot, decoding_of_images
from pipeline.data.sources.base import Source
from pipeline.data.validation.measurements import limits_of, measure_images
from pipeline.data.validation.overview_page import write_overview
from pipeline.data.validation.reference_profiles import ReferenceProfiles, reference_for
from pipeline.data.validation.validator import ValidationResult, Validator
from pipeline.data.validation.waivers import read_waivers
from pipeline.imaging.decode import ImageLimits
from pipeline.storage.files import digest_of, read_json, write_json
from pipeline.storage.stage_outputs import RECIPE, StageOutput, Store
from pipeline.storage.tables.schema import TRAINING_QUARANTINE

log = logging.getLogger(__name__)

_VERSION = 2
_DECODING = "decoding"  # in the recipe, unless it is the first
DOCS = "data_docs"
PROFILE = "profile.json"

_SIZES = pa.schema({"width": pa.int64(), "height": pa.int64()})
ACCEPTED_SCHEMAS = SCHEMAS | {
    "images": pa.unify_schemas([SCHEMAS["images"], _SIZES]),
    "quarantine": TRAINING_QUARANTINE,
}


def validate(
    settings: ValidationSettings, snapshot: StageOutput, source: Source, store: Store, collection: str | None = None
) -> StageOutput:
    """Validate a snapshot by row rules, which quarantine, and dataset rules, which stop the run.

    The output has the snapshot's tables without the quarantined rows (images with width and height as well),
    `quarantine.parquet`, `profile.json` and `data_docs`. An image's captions leave with it and are not listed one by
    one. Snapshots of one collection are compared with each other; without one, with none.

    Raises:
        DatasetRejected: a dataset rule failed; quarantine and Data Docs are kept where the message says.
    """
    references = None if collection is None else ReferenceProfiles.of(store, collection)
    reference = None if references is None else reference_for(settings.reference, references, snapshot.digest)
    waivers = read_waivers(settings.waivers)
    shaping = settings.model_dump(mode="json", exclude={"waivers", "reference"}) | settings.constants
    decoding = decoding_of_images(snapshot, source, store)
    shaping |= {_DECODING: decoding} if decoding > 1 else {}
    inputs = {"snapshot": snapshot.digest}
    inputs |= {"reference": digest_of(reference)} if reference else {}
    inputs |= {"waivers": digest_of(sorted(waivers))} if waivers else {}

    def build(folder: Path) -> None:
        listed = Snapshot.load(snapshot.path)
        result = Validator(settings, waivers, reference, folder / DOCS).validate(listed, source)
        _write(folder, result)
        write_overview(folder / DOCS, result, reference, listed, source)
        if result.failed:
            kept = _keep(folder, store, shaping | inputs)
            page = kept / DOCS / "index.html"
            raise DatasetRejected(
                f"dataset rejected: {'; '.join(result.failed)}. Mend the data or the validation settings; "
                f"why rows were quarantined is in {page} and {kept / 'quarantine.parquet'}",
                page,
            )

    def outlived(output: StageOutput) -> list[str]:
        return _decodable_now(output, Snapshot.load(snapshot.path).images, source, limits_of(settings))

    output = store.run("validate", _VERSION, shaping, inputs, build, outlived)
    if references is not None:
        references.accept(snapshot.digest, read_json(output.path / PROFILE))
    log.info("validate: results are in %s", output.path / DOCS / "index.html")
    return output


def _decodable_now(output: StageOutput, images: pd.DataFrame, source: Source, limits: ImageLimits) -> list[str]:
    """The images that a validation quarantined for a passing trouble of decoders, which now have none."""
    quarantine = pd.read_parquet(output.path / "quarantine.parquet", columns=["image", "reason"])
    troubled = images[images["image"].isin(quarantine["image"][quarantine["reason"].isin(OF_THE_MOMENT)])]
    if troubled.empty:
        return []
    problems = measure_images(troubled, source, limits).facts["problem"]
    return list(troubled["image"][~problems.isin(OF_THE_MOMENT)])


def accepted_decoding(validation: Path) -> int:
    """The decoding (see `DECODING`) that the images of a finished validation were decoded with."""
    return int(read_json(validation / RECIPE)["settings"].get(_DECODING, 1))


def _write(folder: Path, result: ValidationResult) -> None:
    for name, table in (vars(result.accepted) | {"quarantine": result.quarantine}).items():
        rows = pa.Table.from_pandas(table, ACCEPTED_SCHEMAS[name], preserve_index=False)
        parquet.write_table(rows, folder / f"{name}.parquet")
    write_json(folder / "figures.json", result.figures)
    write_json(folder / PROFILE, result.profile)
    for kind in ("images", "captions"):
        log.info("validate: %d of %d %s accepted", result.figures[kind]["accepted"], result.figures[kind]["read"], kind)


def _keep(folder: Path, store: Store, recipe: Mapping[str, Any]) -> Path:
    """Copy the output of a rejected dataset to a folder that stays, the same one for the same input."""
    target = store.root / "rejected" / digest_of(recipe)[:16]
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    return target
