"""Validate a snapshot: which rows are accepted, which are quarantined and why, and which dataset rules fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.core.reasons import NEAR_DUPLICATE
from pipeline.core.settings import ValidationSettings
from pipeline.data.snapshot import Snapshot
from pipeline.data.sources.base import SPLITS, Source
from pipeline.data.validation.expectation_suites import RuleResult, Suites
from pipeline.data.validation.measurements import caption_facts, image_facts, limits_of, measure_images
from pipeline.data.validation.near_duplicates import NearDuplicate
from pipeline.data.validation.profile import Profile, full_profile, half_profiles, profile_drift, stored_profile
from pipeline.data.validation.rules import caption_rules, dataset_rules, drift_rules, image_rules
from pipeline.data.validation.waivers import Waiver, waived
from pipeline.storage.tables.corrections import CORRECTED
from pipeline.storage.tables.schema import QUARANTINED, TRAINING_QUARANTINE

_IMAGE = ("row", "name")
_CAPTION = (*_IMAGE, "position")
_SHOWN, _SHOWN_CHARACTERS = 3, 100  # names in a message


@dataclass(frozen=True)
class ValidationResult:
    """A snapshot after validation."""

    accepted: Snapshot  # images with width and height
    quarantine: pd.DataFrame  # the other rows, as `TRAINING_QUARANTINE`
    figures: dict[str, Any]  # counts of both, and the drifts where there is a reference
    suites: dict[str, list[RuleResult]]  # results of the rules by suite
    failed: list[str]  # dataset rules that failed, with the observed values; then what is quarantined
    profile: Profile  # of the accepted rows
    near_duplicates: list[NearDuplicate]  # by rows of the snapshot


@dataclass(frozen=True)
class Validator:
    """Validates snapshots and writes the Data Docs of Great Expectations."""

    settings: ValidationSettings
    waivers: frozenset[Waiver]  # rows that a person accepts
    reference: Profile | None  # the profile to compare with
    site: Path  # folder of the Data Docs

    def validate(self, snapshot: Snapshot, source: Source) -> ValidationResult:
        """Check every row, then the whole."""
        settings, suites = self.settings, Suites(self.site)
        facts = caption_facts(snapshot.captions)
        results = {"captions": suites.validate("captions", facts, caption_rules(settings, len(facts)), _CAPTION)}
        captions = self._reasons("caption", snapshot.captions, facts, results["captions"])

        measurements = measure_images(snapshot.images, source, limits_of(settings))
        captioned = snapshot.captions["image"][captions["reason"] == ""]
        facts, duplicates = image_facts(snapshot.images, captioned, measurements, settings.near_duplicate_bits)
        results["images"] = suites.validate("images", facts, image_rules(settings), _IMAGE)
        images = self._reasons("image", snapshot.images, facts, results["images"])

        accepted = _accepted(snapshot, captions["reason"], images["reason"], facts[["width", "height"]])
        figures = _figures(accepted, captions, images)
        observed = _dataset_facts(snapshot, figures, captions["reason"], images["reason"])
        results["dataset"] = suites.validate("dataset", observed, dataset_rules(settings))
        failed = _failures(results["dataset"], observed)

        hashes = measurements.hashes.of_rows(snapshot.images.index.isin(accepted.images.index))
        profile = full_profile(accepted, hashes)
        if self.reference is not None and len(accepted.images):
            drifts = profile_drift(profile, half_profiles(accepted, hashes), self.reference)
            figures["drift"] = drifts
            observed = pd.DataFrame([drifts])
            results["drift"] = suites.validate("drift", observed, drift_rules(settings))
            failed += _failures(results["drift"], observed) if settings.drift == "reject" else []
        quarantine = _quarantine(snapshot, captions["reason"], images["reason"], duplicates)
        quarantine["detail"] = _with_remarks(quarantine, snapshot, source)
        failed += _most_quarantined(quarantine, figures) if failed else []
        return ValidationResult(accepted, quarantine, figures, results, failed, stored_profile(profile), duplicates)

    def _reasons(self, kind: str, rows: pd.DataFrame, facts: pd.DataFrame, results: list[RuleResult]) -> pd.DataFrame:
        """Columns reason, of the first rule that a row fails without a waiver, empty if accepted; and waived."""
        outcome = pd.DataFrame({"reason": "", "waived": False}, facts.index).astype({"reason": str})
        for result in reversed(results):
            rule = result.rule
            reasons = facts[rule.column] if rule.refused else pd.Series(rule.reason, facts.index, dtype=str)
            reasons = reasons.loc[result.rows]
            passed = np.array(waived(rows.loc[result.rows], kind, reasons, self.waivers), bool)
            outcome.loc[reasons.index[passed], "waived"] = True
            outcome.loc[reasons.index[~passed], "reason"] = reasons[~passed]
        return outcome


def _failures(results: Sequence[RuleResult], observed: pd.DataFrame) -> list[str]:
    failed = [result.rule for result in results if not result.passed]
    return [f"{rule.column} is {observed[rule.column].item():g}, needed: {rule.description}" for rule in failed]


def _accepted(
    snapshot: Snapshot, caption_reasons: pd.Series[str], image_reasons: pd.Series[str], sizes: pd.DataFrame
) -> Snapshot:
    images = snapshot.images.join(sizes)[image_reasons == ""]
    captions = snapshot.captions[(caption_reasons == "") & snapshot.captions["image"].isin(images["image"])]
    return Snapshot(images, captions, snapshot.objects[snapshot.objects["image"].isin(images["image"])])


def _quarantine(
    snapshot: Snapshot, caption_reasons: pd.Series[str], image_reasons: pd.Series[str], duplicates: list[NearDuplicate]
) -> pd.DataFrame:
    digests = snapshot.images.set_index("image")["sha256"]
    images = snapshot.images[["image", "sha256"]].assign(kind="image", reason=image_reasons, detail=None)
    for each in duplicates:
        if image_reasons[each.row] == NEAR_DUPLICATE:
            twin = snapshot.images.loc[each.twin]
            images.loc[each.row, "detail"] = f"like {twin['image']} of {twin['split']}, likeness {each.likeness:.2f}"
    captions = snapshot.captions.assign(kind="caption", reason=caption_reasons)
    captions["sha256"] = captions["image"].map(digests)
    rows = pd.concat([images[image_reasons != ""], captions[caption_reasons != ""]]).assign(status=QUARANTINED)
    rows["position"] = rows["position"].astype("Int64")  # images have none
    return rows.reindex(columns=TRAINING_QUARANTINE.names)


def _with_remarks(quarantine: pd.DataFrame, snapshot: Snapshot, source: Source) -> list[str | None]:
    """The details of quarantined rows, with what the source has to say of their images."""
    uris = dict(zip(snapshot.images["image"], snapshot.images["uri"], strict=True))
    remarks = {image: source.remark(uris[image]) for image in quarantine["image"].unique()}
    pairs = zip(quarantine["detail"], quarantine["image"].map(remarks), strict=True)
    return ["; ".join(text for text in pair if isinstance(text, str)) or None for pair in pairs]


def _figures(accepted: Snapshot, captions: pd.DataFrame, images: pd.DataFrame) -> dict[str, Any]:
    splits = accepted.images["split"].value_counts()
    left = int((captions["reason"] == "").sum()) - len(accepted.captions)
    return {
        "images": _counts(images) | {"accepted": len(accepted.images)},
        "captions": _counts(captions) | {"accepted": len(accepted.captions), "left_with_their_image": left},
        "splits": {split: int(splits.get(split, 0)) for split in SPLITS},
    }


def _counts(rows: pd.DataFrame) -> dict[str, Any]:
    failed = rows["reason"][rows["reason"] != ""].value_counts()
    counts = {"read": len(rows), "quarantined": {reason: int(count) for reason, count in failed.items()}}
    accepted = int((rows["waived"] & (rows["reason"] == "")).sum())
    return counts | ({"accepted_by_hand": accepted} if accepted else {})


def _dataset_facts(
    snapshot: Snapshot, figures: dict[str, Any], caption_reasons: pd.Series[str], image_reasons: pd.Series[str]
) -> pd.DataFrame:
    """One row of the facts that dataset rules check; people's wrong corrections are no fault of the collection's."""
    facts = {f"{split}_images": count for split, count in figures["splits"].items()}
    for kind, rows, reasons in (
        ("image", snapshot.images, image_reasons),
        ("caption", snapshot.captions, caption_reasons),
    ):
        own = reasons[~rows["image"].str.startswith(CORRECTED)]
        facts[f"{kind}_quarantine_share"] = float((own != "").sum()) / max(len(own), 1)
    return pd.DataFrame([facts])


def _most_quarantined(quarantine: pd.DataFrame, figures: dict[str, Any]) -> list[str]:
    """Of images and captions, how many are quarantined for each reason, and the first of them."""
    said = []
    for (kind, reason), rows in quarantine.groupby(["kind", "reason"], sort=False):
        first = ", ".join(repr(str(name)[:_SHOWN_CHARACTERS]) for name in rows["image"].unique()[:_SHOWN])
        said.append(f"{len(rows)} of {figures[f'{kind}s']['read']} {kind}s {reason}, first {first}")
    return said
