"""validate: what may be trained on, what is quarantined, and why."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from pipeline.errors import DatasetRejected
from pipeline.files import digest_of, write_json
from pipeline.images import ImageLimits
from pipeline.settings import ValidationSettings
from pipeline.snapshot import SCHEMAS, Snapshot
from pipeline.sources.base import SPLITS, Source
from pipeline.stages import Output, Store
from pipeline.validation.facts import caption_facts, image_facts
from pipeline.validation.overview import write_overview
from pipeline.validation.rules import Rule, caption_rules, dataset_rules, image_rules
from pipeline.validation.suites import Suites, Verdict

log = logging.getLogger(__name__)

VERSION = 1
DOCS = "data_docs"

_SIZES = pa.schema({"width": pa.int64(), "height": pa.int64()})
ACCEPTED_SCHEMAS = SCHEMAS | {
    "images": pa.unify_schemas([SCHEMAS["images"], _SIZES]),
    "quarantine": pa.schema(
        {
            "kind": pa.string(),
            **dict(zip(SCHEMAS["captions"].names, SCHEMAS["captions"].types, strict=True)),
            "reason": pa.string(),
        }
    ),
}


def validate(settings: ValidationSettings, snapshot: Output, source: Source, store: Store) -> Output:
    """Judge a snapshot by row rules, which quarantine, and dataset rules, which stop the run.

    The output has the snapshot's tables without the quarantined rows (images with width and height
    as well), `quarantine.parquet` (kind image or caption, image, position, caption, reason) and the
    Data Docs under `data_docs`. A picture's captions leave with it and are not listed one by one.

    Raises:
        DatasetRejected: a dataset rule failed; quarantine and Data Docs are kept where the message says.
    """

    def build(folder: Path) -> None:
        failed = _judge(settings, Snapshot.load(snapshot.path), source, folder)
        if failed:
            raise DatasetRejected(_complaint(failed, _keep(folder, store, settings, snapshot)))

    return store.run("validate", VERSION, settings.model_dump(mode="json"), {"snapshot": snapshot.digest}, build)


def _judge(settings: ValidationSettings, snapshot: Snapshot, source: Source, folder: Path) -> list[str]:
    """Write everything into `folder`; the dataset rules that failed, with what was observed."""
    suites = Suites(folder / DOCS)
    spoken = caption_facts(snapshot.captions)
    by_caption = suites.judge("captions", spoken, caption_rules(settings, len(spoken)), ("row", "name", "position"))
    caption_reasons = _reasons(spoken, by_caption)
    named = snapshot.captions["image"][caption_reasons == ""]
    seen = image_facts(snapshot.images, named, source, _limits(settings))
    by_image = suites.judge("images", seen, image_rules(settings), ("row", "name"))
    image_reasons = _reasons(seen, by_image)
    accepted = _accepted(snapshot, caption_reasons, image_reasons, seen[["width", "height"]])
    figures = _figures(accepted, caption_reasons, image_reasons)
    _write(folder, accepted, _quarantine(snapshot, caption_reasons, image_reasons), figures)
    observed = _observed(figures)
    whole = suites.judge("dataset", observed, dataset_rules(settings))
    failed = [verdict.rule for verdict in whole if not verdict.passed]
    write_overview(
        folder / DOCS, figures, {"captions": by_caption, "images": by_image, "dataset": whole}, accepted=not failed
    )
    return [f"{rule.column} is {observed[rule.column].item():g}, needed: {rule.says}" for rule in failed]


def _limits(settings: ValidationSettings) -> ImageLimits:
    return ImageLimits(settings.max_image_bytes, settings.max_megapixels, settings.min_side)


def _reasons(facts: pd.DataFrame, verdicts: list[Verdict]) -> pd.Series[str]:
    """The reason of the first rule that each row fails; empty for accepted rows."""
    reasons = pd.Series("", facts.index, dtype=str)
    for verdict in reversed(verdicts):
        rule: Rule = verdict.rule
        reasons.loc[verdict.rows] = facts.loc[verdict.rows, rule.column] if rule.refused else rule.reason
    return reasons


def _accepted(
    snapshot: Snapshot, caption_reasons: pd.Series[str], image_reasons: pd.Series[str], sizes: pd.DataFrame
) -> Snapshot:
    images = snapshot.images.join(sizes)[image_reasons == ""]
    captions = snapshot.captions[(caption_reasons == "") & snapshot.captions["image"].isin(images["image"])]
    return Snapshot(images, captions, snapshot.objects[snapshot.objects["image"].isin(images["image"])])


def _quarantine(snapshot: Snapshot, caption_reasons: pd.Series[str], image_reasons: pd.Series[str]) -> pd.DataFrame:
    images = snapshot.images[["image"]].assign(kind="image", reason=image_reasons)
    captions = snapshot.captions.assign(kind="caption", reason=caption_reasons)
    rows = pd.concat([images[image_reasons != ""], captions[caption_reasons != ""]])
    rows["position"] = rows["position"].astype("Int64")  # images have none
    return rows[["kind", "image", "position", "caption", "reason"]]


def _figures(accepted: Snapshot, caption_reasons: pd.Series[str], image_reasons: pd.Series[str]) -> dict[str, Any]:
    splits = accepted.images["split"].value_counts()
    left = int((caption_reasons == "").sum()) - len(accepted.captions)
    return {
        "images": _counts(image_reasons) | {"accepted": len(accepted.images)},
        "captions": _counts(caption_reasons) | {"accepted": len(accepted.captions), "left_with_their_image": left},
        "splits": {split: int(splits.get(split, 0)) for split in SPLITS},
    }


def _counts(reasons: pd.Series[str]) -> dict[str, Any]:
    failed = reasons[reasons != ""].value_counts()
    return {"read": len(reasons), "quarantined": {reason: int(count) for reason, count in failed.items()}}


def _observed(figures: dict[str, Any]) -> pd.DataFrame:
    """One row of the facts that dataset rules judge."""
    sizes = {f"{split}_images": count for split, count in figures["splits"].items()}
    shares = {
        f"{kind}_quarantine_share": sum(counts["quarantined"].values()) / max(counts["read"], 1)
        for kind, counts in (("image", figures["images"]), ("caption", figures["captions"]))
    }
    return pd.DataFrame([sizes | shares])


def _write(folder: Path, accepted: Snapshot, quarantine: pd.DataFrame, figures: dict[str, Any]) -> None:
    tables = {"images": accepted.images, "captions": accepted.captions, "objects": accepted.objects}
    for name, table in (tables | {"quarantine": quarantine}).items():
        parquet.write_table(
            pa.Table.from_pandas(table, ACCEPTED_SCHEMAS[name], preserve_index=False), folder / f"{name}.parquet"
        )
    write_json(folder / "figures.json", figures)
    for kind in ("images", "captions"):
        log.info("validate: %d of %d %s accepted", figures[kind]["accepted"], figures[kind]["read"], kind)


def _keep(folder: Path, store: Store, settings: ValidationSettings, snapshot: Output) -> Path:
    """Copy what a rejected dataset left to a place that stays; the same for the same input."""
    target = store.root / "rejected" / digest_of([snapshot.digest, settings.model_dump(mode="json")])[:16]
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    return target


def _complaint(failed: list[str], kept: Path) -> str:
    return (
        f"dataset rejected: {'; '.join(failed)}. Mend the data or the validation settings; "
        f"why rows were quarantined is in {kept / DOCS / 'index.html'} and {kept / 'quarantine.parquet'}"
    )
