"""promote: from a verdict to a champion."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pipeline.core.errors import PromotionConflict
from pipeline.registry.promotions import Promotions, whoami
from pipeline.release.gate.stage import judge_version
from pipeline.training.run import TrainingRun

log = logging.getLogger(__name__)


def promote_judged(run: TrainingRun, version: str, verdict: Mapping[str, Any], who: str | None) -> dict[str, Any]:
    """Promote a version on its verdict; see `pipeline.training_pipeline.promote_version`."""
    promotions, name = Promotions(run.home), run.settings.registry.model_name
    while verdict["promote"]:
        try:
            promotions.promote(name, version, verdict["since"], who or whoami(), verdict["digest"], verdict["reason"])
            break
        except PromotionConflict as error:
            if run.settings.gate.approval == "person":  # who approved the comparison with the old champion
                raise
            log.warning("%s", error)
            verdict = judge_version(run, version).as_json()
    return {**verdict, "promoted": bool(verdict["promote"])}
