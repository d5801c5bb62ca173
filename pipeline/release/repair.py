"""The promotion journal and MLflow side by side, and what mends them where they do not fit."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected, ModelNotFound
from pipeline.model.bundle import Bundle, read_bundle
from pipeline.registry.cache import cached_folder
from pipeline.registry.journal import Entry
from pipeline.registry.lineage import Lineage
from pipeline.registry.promotions import Promotions
from pipeline.registry.versions import DIGEST_TAG, ENGINE_TAG, REMOVED_TAG, TRAININGS_NOTE, Version
from pipeline.release.register import log_model
from pipeline.storage.stage_outputs import Store

State = Literal["intact", "missing", "other bytes", "files removed", "unknown to the journal"]


@dataclass(frozen=True)
class Standing:
    """A version as the journal and MLflow know it."""

    version: str  # its number
    state: State
    entry: Entry | None  # the newest entry that lets it caption
    registered: str | None  # digest by its tag in MLflow
    is_champion: bool  # by the journal


def standings(promotions: Promotions, name: str) -> list[Standing]:
    """Every version of a model that the journal or MLflow knows, the highest number first."""
    registered = {each.version: each for each in promotions.registry.versions(name)}
    entries = {entry.target: entry for entry in reversed(list(promotions.journal.entries(name)))}
    now = promotions.journal.current(name)
    numbers = sorted({*registered, *entries}, key=int, reverse=True)
    return [_standing(number, entries.get(number), registered.get(number), now) for number in numbers]


def _standing(number: str, entry: Entry | None, version: Version | None, now: Entry | None) -> Standing:
    state: State = "intact"
    if version is None:
        state = "missing"
    elif entry is None:
        state = "unknown to the journal"
    elif version.digest not in (None, entry.digest):
        state = "other bytes"
    elif REMOVED_TAG in version.tags:
        state = "files removed"
    return Standing(number, state, entry, version.digest if version else None, now is not None and now.target == number)


def mend(home: Home, name: str, who: str) -> Iterator[str]:
    """Mend what the journal and MLflow disagree on; a line for each thing that was done, or that a person must do.

    A champion that MLflow has lost is registered anew from the same bytes, which another version, the cache or the store
    has, and promoted by an entry of the journal. Alias and tag are set by the journal.
    """
    promotions = Promotions(home)
    champion = promotions.champion(name)  # repairs alias and tag
    if champion is None:
        yield f"no version of {name} has ever been promoted, so nothing is mended"
        return
    try:
        promotions.require_intact(champion)
    except (ModelNotFound, BundleRejected) as error:
        yield str(error)
    else:
        yield f"the champion, {champion.uri}, is intact"
        return
    same = promotions.registry.with_digest(name, champion.digest)
    if same is None:
        bundle = _bundle(home, champion.digest)
        if bundle is None:
            yield (
                f"neither the cache nor the store of this machine has the bytes of {champion.uri}: restore MLflow from a "
                "backup, go back with `nightcap models rollback VERSION`, or train"
            )
            return
        same = _register(promotions, name, bundle)
        yield f"{same.uri} is registered with the champion's bytes, from {bundle.path}"
    entry = promotions.promote(
        name, same.version, promotions.journal.last(), who, why=f"repair: MLflow lost {champion.uri}"
    )
    yield f"{same.uri} is the champion{f' (entry {entry.number} of the promotion journal)' if entry else ''}"


def _bundle(home: Home, digest: str) -> Bundle | None:
    """A whole bundle with a digest, of the cache or of a training's output."""
    folders = [cached_folder(home, digest)]
    with suppress(OSError):
        made = Lineage(Store(home.store)).bundles.get(digest)
        folders += [made / "bundle"] if made else []
    for folder in folders:
        with suppress(ModelNotFound, BundleRejected):
            return read_bundle(folder, digest)
    return None


def _register(promotions: Promotions, name: str, bundle: Bundle) -> Version:
    import mlflow

    registry = promotions.registry
    experiment = registry.experiment(name, TRAININGS_NOTE)
    with tempfile.TemporaryDirectory() as scratch, registry.answering():
        copy = shutil.copytree(bundle.path, Path(scratch) / "bundle")  # MLflow keeps the folder's name
        with mlflow.start_run(experiment_id=experiment, tags={DIGEST_TAG: bundle.digest}):
            model_uri = str(log_model(copy, bundle.digest, bundle.settings.engine).model_uri)
    tags = {DIGEST_TAG: bundle.digest, ENGINE_TAG: bundle.settings.engine}
    return registry.create(
        name, model_uri, tags, f"bundle {bundle.digest[:12]}, registered anew after MLflow had lost it"
    )
