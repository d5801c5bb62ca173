"""Attempts that are late: a shard still at work when its run was published by another attempt, or removed."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from pipeline.errors import NightRejected
from pipeline.files import read_json
from serving.plans import Plan

log = logging.getLogger(__name__)


def is_published(plan: Plan, *written: Path) -> bool:
    """Whether another attempt has published the run meanwhile; what parts this one wrote since are removed.

    To be asked after a write, as only then no removal of the folder can have come before it unseen.

    Args:
        plan: of the run, as it was when the attempt began.
        written: files that go if the run is no more.

    Raises:
        NightRejected: the run was removed meanwhile, and perhaps planned anew with other pictures.
    """
    if plan.published_file.is_file():
        log.info("night %s, run %s was published by another attempt", plan.night, plan.run)
        shutil.rmtree(plan.parts, ignore_errors=True)
        return True
    if not _is_the_one(plan):
        for path in written:
            path.unlink(missing_ok=True)
        raise NightRejected(
            f"night {plan.night!r}, run {plan.run!r} was removed while a shard of it was at work, as `nightcap forget` "
            f"does; the next night captions its pictures"
        )
    return False


def _is_the_one(plan: Plan) -> bool:
    try:
        return bool(read_json(plan.path)["planned_at"] == plan.model_dump(mode="json")["planned_at"])
    except FileNotFoundError:
        return False
