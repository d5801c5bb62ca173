"""Judge a snapshot: what is accepted, what is quarantined and why, and which dataset rules fail."""

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
from pipeline.data.validation.expectation_suites import RuleVerdict, Suites
from pipeline.data.validation.measurements import caption_facts, image_facts, measure
from pipeline.data.validation.near_duplicates import NearDuplicate
from pipeline.data.validation.perceptual_hash import PerceptualHashes
from pipeline.data.validation.profile import Profile, drift, halves, kept, measured
from pipeline.data.validation.rules import Rule, caption_rules, dataset_rules, drift_rules, image_rules
from pipeline.data.validation.waivers import Waiver, waived
from pipeline.imaging.decode import ImageLimits
from pipeline.storage.tables.schema import QUARANTINED, TRAINING_QUARANTINE


@dataclass(frozen=True)
class Judged:
    """What became of a snapshot.

    Attributes:
        accepted: what may be trained on; images with width and height.
        quarantine: the rest, as `TRAINING_QUARANTINE`.
        figures: counts of all that, and the drifts where there is a reference.
        suites: how each suite of rules did.
        failed: the dataset rules that failed, with what was observed.
        profile: of what is accepted.
        lookalikes: near-duplicates that were found, by rows of the snapshot.
    """

    accepted: Snapshot
    quarantine: pd.DataFrame
    figures: dict[str, Any]
    suites: dict[str, list[RuleVerdict]]
    failed: list[str]
    profile: Profile
    lookalikes: list[NearDuplicate]


@dataclass(frozen=True)
class Judge:
    """Judges snapshots, and puts what Great Expectations says of them into a site.

    Attributes:
        settings: the rules' limits.
        waivers: rows that a person accepts.
        reference: the profile to compare with, if any.
        site: the folder of the site.
    """

    settings: ValidationSettings
    waivers: frozenset[Waiver]
    reference: Profile | None
    site: Path

    def judge(self, snapshot: Snapshot, source: Source) -> Judged:
        """Judge every row and the whole."""
        settings, suites = self.settings, Suites(self.site)
        spoken = caption_facts(snapshot.captions)
        by_caption = suites.judge("captions", spoken, caption_rules(settings, len(spoken)), ("row", "name", "position"))
        captions = self._reasons("caption", snapshot.captions, spoken, by_caption)
        seen_of = measure(snapshot.images, source, limits_of(settings))
        named = snapshot.captions["image"][captions["reason"] == ""]
        seen, alike = image_facts(snapshot.images, named, seen_of, settings.near_duplicate_bits)
        by_image = suites.judge("images", seen, image_rules(settings), ("row", "name"))
        images = self._reasons("image", snapshot.images, seen, by_image)
        accepted = _accepted(snapshot, captions["reason"], images["reason"], seen[["width", "height"]])
        figures = _figures(accepted, captions, images)
        whole = suites.judge("dataset", _observed(figures), dataset_rules(settings))
        looks = seen_of.looks.of_rows(snapshot.images.index.isin(accepted.images.index))
        found = measured(accepted, looks)
        drifted = self._drift(suites, figures, found, accepted, looks)
        failed = _complaints(whole, _observed(figures))
        if settings.drift == "reject":
            failed += _complaints(drifted, pd.DataFrame([figures.get("drift", {})]))
        judged = {"captions": by_caption, "images": by_image, "dataset": whole, "drift": drifted}
        quarantine = _quarantine(snapshot, captions["reason"], images["reason"], alike)
        suites_run = {name: verdicts for name, verdicts in judged.items() if verdicts}
        return Judged(accepted, quarantine, figures, suites_run, failed, kept(found), alike)

    def _reasons(self, kind: str, rows: pd.DataFrame, facts: pd.DataFrame, verdicts: list[RuleVerdict]) -> pd.DataFrame:
        """Columns reason, of the first rule that a row fails without a waiver, empty if accepted; and waived."""
        found = pd.DataFrame({"reason": "", "waived": False}, facts.index).astype({"reason": str})
        for verdict in reversed(verdicts):
            rule: Rule = verdict.rule
            reasons = facts[rule.column] if rule.refused else pd.Series(rule.reason, facts.index, dtype=str)
            reasons = reasons.loc[verdict.rows]
            passed = np.array(waived(rows.loc[verdict.rows], kind, reasons, self.waivers), bool)
            found.loc[reasons.index[passed], "waived"] = True
            found.loc[reasons.index[~passed], "reason"] = reasons[~passed]
        return found

    def _drift(
        self, suites: Suites, figures: dict[str, Any], found: Profile, accepted: Snapshot, looks: PerceptualHashes
    ) -> list[RuleVerdict]:
        """How the rules on drift did, none without a reference; the drifts join the figures."""
        if self.reference is None or not len(accepted.images):
            return []
        figures["drift"] = drift(found, halves(accepted, looks), self.reference)
        return suites.judge("drift", pd.DataFrame([figures["drift"]]), drift_rules(self.settings))


def limits_of(settings: ValidationSettings) -> ImageLimits:
    """Which images are decoded at all."""
    return ImageLimits(settings.max_image_bytes, settings.max_megapixels, settings.min_side)


def _complaints(verdicts: Sequence[RuleVerdict], observed: pd.DataFrame) -> list[str]:
    failed = [verdict.rule for verdict in verdicts if not verdict.passed]
    return [f"{rule.column} is {observed[rule.column].item():g}, needed: {rule.says}" for rule in failed]


def _accepted(
    snapshot: Snapshot, caption_reasons: pd.Series[str], image_reasons: pd.Series[str], sizes: pd.DataFrame
) -> Snapshot:
    images = snapshot.images.join(sizes)[image_reasons == ""]
    captions = snapshot.captions[(caption_reasons == "") & snapshot.captions["image"].isin(images["image"])]
    return Snapshot(images, captions, snapshot.objects[snapshot.objects["image"].isin(images["image"])])


def _quarantine(
    snapshot: Snapshot, caption_reasons: pd.Series[str], image_reasons: pd.Series[str], alike: list[NearDuplicate]
) -> pd.DataFrame:
    digests = snapshot.images.set_index("image")["sha256"]
    images = snapshot.images[["image", "sha256"]].assign(kind="image", reason=image_reasons, detail=None)
    for each in alike:
        if image_reasons[each.row] == NEAR_DUPLICATE:
            twin = snapshot.images.loc[each.twin]
            images.loc[each.row, "detail"] = f"like {twin['image']} of {twin['split']}, likeness {each.likeness:.2f}"
    captions = snapshot.captions.assign(kind="caption", reason=caption_reasons)
    captions["sha256"] = captions["image"].map(digests)
    rows: pd.DataFrame = pd.concat([images[image_reasons != ""], captions[caption_reasons != ""]]).assign(
        status=QUARANTINED
    )
    rows["position"] = rows["position"].astype("Int64")  # images have none
    return rows.reindex(columns=TRAINING_QUARANTINE.names)


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


def _observed(figures: dict[str, Any]) -> pd.DataFrame:
    """One row of the facts that dataset rules judge."""
    sizes = {f"{split}_images": count for split, count in figures["splits"].items()}
    shares = {
        f"{kind}_quarantine_share": sum(counts["quarantined"].values()) / max(counts["read"], 1)
        for kind, counts in (("image", figures["images"]), ("caption", figures["captions"]))
    }
    return pd.DataFrame([sizes | shares])
