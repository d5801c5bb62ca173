"""gate: compare a registered version with the champion, and keep the verdict with its evidence."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.core.errors import BundleRejected, ModelNotFound, NightcapError, PromotionRefused
from pipeline.data.snapshot import read_images
from pipeline.evaluation.objects import chair_of
from pipeline.evaluation.slices import Slice, label_of, slices_of
from pipeline.imaging.sandbox import Work, pixels_of_each
from pipeline.metrics.tokenizer import tokenize
from pipeline.model.captioner import CAPTION_BATCH
from pipeline.model.interface import Captioner, PinnedModel
from pipeline.model.model_uri import ModelUri
from pipeline.registry.acceptance import acceptance_of
from pipeline.registry.cache import cached
from pipeline.registry.infra_validation import try_version
from pipeline.registry.journal import Entry
from pipeline.registry.lineage import Lineage
from pipeline.registry.loading import load_pinned
from pipeline.registry.promotions import Promotions
from pipeline.release.gate.candidate import GateCandidate, GateReferences, candidate_of
from pipeline.release.gate.contamination import Contamination, contamination
from pipeline.release.gate.page import PAGE, write_page
from pipeline.release.gate.rules import Check, GateVerdict, judge, reason_of
from pipeline.release.requirements import requirements
from pipeline.storage.files import digest_of, read_json, sha256_file, write_json
from pipeline.storage.stage_outputs import RECIPE, StageOutput
from pipeline.training.run import TrainingRun

log = logging.getLogger(__name__)

VERDICT, TRIAL = "verdict.json", "trial.json"
STAGE_VERSION = 3
CAPTIONS_VERSION = 1


@dataclass(frozen=True)
class Outcome:
    """The result of the gate for the next task; see `GateVerdict`."""

    promote: bool
    reason: str
    challenger: float
    champion: float | None
    since: int  # number of the promotion journal's newest entry at the comparison
    digest: str | None = None  # of the verdict; None if the version already is the champion
    page: str | None = None  # path of the verdict's page; likewise
    link: str | None = None  # URL of that page in MLflow, if a server shows it
    rules: Sequence[str] = ()  # the result of each rule in a line
    reviews: Sequence[str] = ()  # what people said of both versions' captions, a line each

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def judge_version(run: TrainingRun, version: str) -> Outcome:
    """Decide whether a version may be promoted: a file, a page and tags; PromotionRefused if its trial fails."""
    promotions, name = Promotions(run.home), run.settings.registry.model_name
    since = promotions.journal.last()  # before the champion is read, so that no later one is overlooked
    champion = promotions.champion(name)
    score = float(run.scores()["scores"]["cider_d"])
    pinned = promotions.registry.resolve(str(ModelUri(name, version)))
    if champion is not None and (champion.version, champion.digest) == (pinned.version, pinned.digest):
        return Outcome(False, "it already is the champion", score, score, since)
    try:
        output = _verdict(run, promotions, pinned, champion)
    except PromotionRefused as error:
        _record_failed_trial(promotions, pinned, str(error))
        raise
    verdict, digest = read_json(output.path / VERDICT), sha256_file(output.path / VERDICT)
    folder, page = f"gate/{digest[:12]}", output.path / PAGE
    promotions.registry.log_files(pinned, output.path, folder)
    link = promotions.registry.page(pinned, f"{folder}/{PAGE}")
    promotions.record_verdict(pinned, verdict["promote"], verdict["reason"], digest, champion)
    log.info("gate: %s version %s: %s", name, version, verdict["reason"])
    log.info("gate: the verdict can be read in %s%s", page, f" and at {link}" if link else "")
    kept = {key: verdict[key] for key in ("promote", "reason", "challenger", "champion")}
    rules = [check["text"] for check in verdict["checks"]]
    reviews = _reviews(run, promotions, [champion, pinned])
    return Outcome(**kept, since=since, digest=digest, page=str(page), link=link, rules=rules, reviews=reviews)


def _reviews(run: TrainingRun, promotions: Promotions, versions: Sequence[PinnedModel | None]) -> list[str]:
    """What people said of versions that they audited, in a line each, which MLflow hears, too. No part of the verdict."""
    lines = []
    for pinned in filter(None, versions):
        if said := acceptance_of(run.home.store, pinned.name, pinned.version):
            lines.append(f"version {pinned.version}: {said}")
            log.info("gate: %s", lines[-1])
            try:
                promotions.registry.log_reviews(pinned, str(said), said.metrics())
            except NightcapError as error:  # the champion may be gone from MLflow
                log.warning("MLflow does not know what people said of version %s: %s", pinned.version, error)
    return lines


def _record_failed_trial(promotions: Promotions, pinned: PinnedModel, reason: str) -> None:
    """Log and tag why a version was refused without a comparison, so without a verdict."""
    with tempfile.TemporaryDirectory() as scratch:
        write_json(Path(scratch) / TRIAL, {"passed": False, "reason": reason})
        promotions.registry.log_files(pinned, Path(scratch), "gate")
    promotions.record_verdict(pinned, passed=False, reason=reason)


def _verdict(
    run: TrainingRun, promotions: Promotions, pinned: PinnedModel, champion: PinnedModel | None
) -> StageOutput:
    """The verdict and its page as a stage's output: once for the same versions, rules and libraries of the trial."""
    given_up = promotions.given_up(pinned.name, pinned.version)
    attempt = 1 if champion is None else 1 + promotions.attempts(champion, but=pinned.version)
    lost = None if champion is None else _lost(run, promotions, champion)
    overlap = _overlap(run, promotions, [pinned, *([champion] if champion and not lost else [])])

    def build(folder: Path) -> None:
        trial = try_version(run.home, pinned.uri, run.settings.gate)
        texts = run.accepted.references("test")
        texts = {image: said for image, said in texts.items() if image not in overlap.left_out}
        references = GateReferences(texts)
        own = _challenger(run, pinned, references)
        other = None if champion is None or lost else _champion(run, champion, references)
        verdict = judge(own, other, _slices(run, texts), references.images, run.settings.gate, attempt)
        verdict = _with(verdict, overlap.check)
        verdict = replace(_unless_given_up(_telling_of_lost(verdict, lost), given_up), trial=trial)
        write_json(folder / VERDICT, verdict.as_json())
        write_page(folder, run, verdict, own, other, texts)

    recipe = {
        "gate": run.settings.gate.model_dump(mode="json", exclude={"approval"}) | run.settings.gate.constants,
        "version": [pinned.version, pinned.digest],
        "champion": champion and [champion.version, champion.digest],
        "given_up": given_up and given_up.number,
        "attempt": attempt,
        "installed": requirements(),
    } | ({"lost": lost} if lost else {})
    recipe |= {"contamination": digest_of(sorted(overlap.images))} if overlap.images else {}
    return run.store.run("gate", STAGE_VERSION, recipe, run.inputs("validate", "evaluate", "bundle"), build)


def _overlap(run: TrainingRun, promotions: Promotions, compared: Sequence[PinnedModel]) -> Contamination:
    """Which test images trained the compared versions."""
    versions = promotions.registry.versions(compared[0].name)
    named = [each for pinned in compared for each in versions if each.version == pinned.version]
    return contamination(run.accepted.images_of("test"), Lineage(run.store), named, versions)


def _with(verdict: GateVerdict, check: Check) -> GateVerdict:
    """A verdict with one more rule."""
    checks = [*verdict.checks, check]
    return replace(verdict, promote=verdict.promote and check.passed, checks=checks, reason=reason_of(checks))


def _lost(run: TrainingRun, promotions: Promotions, champion: PinnedModel) -> str | None:
    """Why the champion can be compared with no more: neither MLflow nor the cache has it; None where it can."""
    try:
        promotions.require_intact(champion)
    except (ModelNotFound, BundleRejected) as error:
        try:
            cached(run.home, champion)
        except (ModelNotFound, BundleRejected):
            return str(error)
    return None


def _telling_of_lost(verdict: GateVerdict, lost: str | None) -> GateVerdict:
    """Say first that nothing was compared, as the champion is lost: the version was judged as a first one."""
    if lost is None:
        return verdict
    checks = [Check("champion", True, f"nothing is compared, as the champion is lost: {lost}"), *verdict.checks]
    return replace(verdict, checks=checks, reason=reason_of(checks))


def _unless_given_up(verdict: GateVerdict, entry: Entry | None) -> GateVerdict:
    """Refuse a version that people rolled back from, however good its scores are."""
    if entry is None:
        return verdict
    text = (
        f"{entry.who} rolled back from this version on {entry.when:%Y-%m-%d}{f' ({entry.why})' if entry.why else ''}; "
        "only `nightcap models promote` makes it the champion again"
    )
    return _with(verdict, Check("rolled_back", False, text))


def _challenger(run: TrainingRun, pinned: PinnedModel, references: GateReferences) -> GateCandidate:
    rows = pd.read_parquet(run.output("evaluate").path / "per_image.parquet")
    captions = dict(zip(rows["image"], rows["caption"], strict=True))
    scores = run.scores()
    withheld = float(scores["robustness"]["kinds"]["clean"]["withheld"])
    measured = {"chair": scores.get("chair", {}).get("chair_i"), "reliability": scores.get("reliability")}
    return candidate_of(pinned.version, pinned.digest, references, captions, withheld=withheld, **measured)


def _champion(run: TrainingRun, champion: PinnedModel, references: GateReferences) -> GateCandidate:
    captions = _recorded(run, champion, references) or _captioned(run, champion)
    texts, boxes = run.accepted.references("test"), run.accepted.boxes("test")
    chair = chair_of(run.settings.source.kind, captions, boxes, texts).get("chair_i")
    return candidate_of(champion.version, champion.digest, references, captions, chair=chair)


def _slices(run: TrainingRun, references: Mapping[str, list[str]]) -> dict[str, Slice]:
    training = (tuple(tokenize(text)) for text in run.accepted.captions_of("train")["caption"])
    slices = slices_of(references, training)
    return {label_of(name, part): part for name, parts in slices.items() for part in parts}


def _recorded(run: TrainingRun, champion: PinnedModel, references: GateReferences) -> dict[str, str] | None:
    """The champion's captions from its own evaluation in this store, if on the same images.

    What MLflow keeps of it counts for nothing, as any of its accounts may have written that.
    """
    bundle = Lineage(run.store).bundles.get(champion.digest)
    if bundle is None:
        return None
    try:
        evaluated = run.store.find("evaluate", read_json(bundle / RECIPE)["inputs"]["evaluate"]).path
    except FileNotFoundError:  # `gc` removed it
        return None
    if read_json(evaluated / "scores.json").get("test_digest") != run.scores()["test_digest"]:
        return None
    lines = (evaluated / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    captions = {row["image"]: row["caption"] for row in map(json.loads, lines)}
    return captions if captions.keys() >= set(references.images) else None


def _captioned(run: TrainingRun, champion: PinnedModel) -> dict[str, str]:
    """The champion's captions of our test images, as a stage's output."""

    def build(folder: Path) -> None:
        write_json(folder / "captions.json", _caption_test(run, load_pinned(run.home, champion)))

    recipe = {"digest": champion.digest}
    made = run.store.run("champion_captions", CAPTIONS_VERSION, recipe, run.inputs("validate"), build)
    return dict(read_json(made.path / "captions.json"))


def _caption_test(run: TrainingRun, captioner: Captioner) -> dict[str, str]:
    images = run.accepted.images_of("test")
    captions: dict[str, str] = {}
    work = Work.within(run.limits, captioner.side, captioner.fit)
    with closing(pixels_of_each(read_images(run.source, images), work)) as photographs:
        while part := list(islice(photographs, CAPTION_BATCH)):
            batch = np.stack([square for _, square in part])
            for (sha, _), caption in zip(part, captioner.caption(batch), strict=True):
                captions[sha] = caption.text
    return {image: captions[sha] for image, sha in zip(images["image"], images["sha256"], strict=True)}
