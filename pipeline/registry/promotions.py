"""Which version captions: the promotion journal decides, and MLflow's alias `champion` is its copy."""

from __future__ import annotations

import getpass
import logging
import os
import tempfile
from itertools import takewhile
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected, ModelNotFound, NightcapError, PromotionRefused, SettingsError
from pipeline.model.interface import PinnedModel
from pipeline.model.model_uri import ModelUri
from pipeline.registry.cache import download
from pipeline.registry.journal import Action, Change, Entry, Journal
from pipeline.registry.versions import CHAMPION, Registry

GATE_TAG, VERDICT_TAG, VERDICT_DIGEST_TAG, JUDGED_AGAINST_TAG = "gate", "verdict", "verdict_digest", "judged_against"
PASSED, REFUSED, NOBODY = "passed", "refused", "nobody"
TAG_LENGTH = 5000
ENTRY_TAG = "promotion"  # of the registered model: number of the newest entry about it

log = logging.getLogger(__name__)


class Promotions:
    """The journal and the registry of one installation; raises as `Journal` and `Registry` do."""

    def __init__(self, home: Home) -> None:
        self.registry = Registry(home)
        self.journal = Journal.of(home)

    def resolve(self, uri: str) -> PinnedModel:
        """Pin a model URI to one version, `models:/name@champion` to the journal's.

        Another alias is repaired, with a warning. Before a model's first entry in the journal the alias counts.
        """
        address = ModelUri.parse(uri)
        entry = self._current(address.name) if address.alias == CHAMPION else None
        if entry is None:
            return self.registry.resolve(uri)
        pinned = self._promoted(entry)
        self._repair(entry, expected=entry.target)
        return pinned

    def champion(self, name: str) -> PinnedModel | None:
        """The version that captions, or None before the first promotion."""
        if self._current(name) is None:
            return self.registry.champion(name)
        return self.resolve(str(ModelUri(name, alias=CHAMPION)))

    def promote(
        self, name: str, version: str, since: int, who: str, verdict: str | None = None, why: str = ""
    ) -> Entry | None:
        """Make a version the champion, after a check of its files; None if it was already.

        `since` is the number of the journal's newest entry when the version was evaluated; PromotionConflict if the
        model has a newer one. `who` is a person or an Airflow run, `verdict` the digest of the gate's.
        """
        return self._decide("promote", name, version, since, who=who, verdict=verdict, why=why)

    def promote_by_hand(self, name: str, version: str, who: str, why: str, anyway: bool = False) -> Entry | None:
        """As `promote`, on a person's word; PromotionRefused if the gate has not let it pass, except with `anyway`."""
        since, champion = self.journal.last(), self.champion(name)
        tags = self.registry.tags(self.registry.resolve(str(ModelUri(name, version))))
        against = champion.version if champion else NOBODY
        if champion is not None and champion.version == version:
            return None
        if not anyway and (tags.get(GATE_TAG), tags.get(JUDGED_AGAINST_TAG)) != (PASSED, against):
            verdict = tags.get(VERDICT_TAG, "it was never judged")
            raise PromotionRefused(
                f"{name} version {version} did not pass the gate against the present champion (version {against}): "
                f"{verdict}; judge it by running its training again, or give --anyway"
            )
        return self.promote(name, version, since, who, tags.get(VERDICT_DIGEST_TAG), why)

    def rollback(self, name: str, version: str | None, who: str, why: str = "", once: bool = False) -> Entry | None:
        """As `promote`, but to an earlier version, by default the one before; None if it is the champion already.

        With `once` an earlier rollback by `who` is the answer, whatever was decided since: a task that was stopped before
        the answer does not go back one version more. PromotionRefused if the version is not known to have captioned.
        """
        since, now = self.journal.last(), self._current(name)
        earlier = (entry for entry in self.journal.entries(name) if (entry.action, entry.who) == ("rollback", who))
        done = next(earlier, None) if once else None
        if done is not None and now is not None:
            self._repair(now, expected=now.origin)
            return done
        version = version or self.before(name)
        self.registry.resolve(str(ModelUri(name, version)))
        before = {each for entry in self.journal.entries(name) for each in (entry.origin, entry.target)}
        if version not in before:
            unknown = "has never captioned" if before else "is not known to have captioned: the journal has no entry"
            raise PromotionRefused(
                f"{name} version {version} {unknown}, so it is none to go back to; "
                f"`nightcap models promote {version}` tries it first"
            )
        return self._decide("rollback", name, version, since, who=who, why=why)

    def before(self, name: str) -> str:
        """The version that captioned before the present champion was promoted; SettingsError if there is none."""
        now = self.journal.current(name)
        promoted = (entry for entry in self.journal.entries(name) if entry.action == "promote")
        made = next((entry for entry in promoted if now is not None and entry.target == now.target), None)
        if made is None or made.origin is None:
            raise SettingsError(f"the journal knows no version of {name} before the present one; name the version")
        return made.origin

    def given_up(self, name: str, version: str) -> Entry | None:
        """The newest entry that rolled back from a version, unless a person has promoted it since."""
        for entry in self.journal.entries(name):
            if entry.action == "promote" and entry.target == version:
                return None
            if entry.action == "rollback" and entry.origin == version:
                return entry
        return None

    def given_up_by(self, name: str, number: int | None = None) -> list[str]:
        """Which versions a rollback gave up: all that captioned since its target last did, the newest first.

        `number` is of the rollback's entry, by default the model's newest; a promotion gives up none.
        """
        entries = [entry for entry in self.journal.entries(name) if number is None or entry.number <= number]
        if not entries or entries[0].action != "rollback":
            return []
        since = takewhile(lambda entry: entry.origin != entries[0].target, entries)
        return list(dict.fromkeys(entry.origin for entry in since if entry.origin))

    def _decide(self, action: Action, name: str, version: str, since: int, **reasons: str | None) -> Entry | None:
        chosen, now = self.registry.resolve(str(ModelUri(name, version))), self._current(name)
        origin = now.target if now else self.registry.aliased(name, CHAMPION)
        if origin == chosen.version:
            # Written by this caller, if it was stopped before the answer.
            is_own = now and now.number > since and (now.action, now.verdict) == (action, reasons.get("verdict"))
            entry = now if is_own else None
        else:
            with tempfile.TemporaryDirectory() as scratch:
                download(self.registry, chosen, Path(scratch) / "model")  # past the cache, to check every file
            fields = {"model": name, "action": action, "origin": origin, "target": version, "digest": chosen.digest}
            entry = self.journal.append(Change.model_validate(fields | reasons), since)
            log.info("%s: %s version %s instead of %s, entry %d", action, name, version, origin, entry.number)
        current = self.journal.current(name)
        if current is not None:
            self._repair(current, expected=origin)
        return entry

    def _current(self, name: str) -> Entry | None:
        """The newest entry about a model, or None; SettingsError if MLflow has noted a newer one."""
        noted = self._noted(name)  # first, as an entry is written before it is noted
        entry = self.journal.current(name)
        if noted > (entry.number if entry else 0):
            after, then = "", "its alias champion counts until the next promotion"
            if entry is not None:
                after, then = f"after {entry.number} ", f"version {entry.target} captions again"
            raise SettingsError(
                f"the promotion journal in {self.journal.uri} has no entry {after}about {name}, but entry {noted} was "
                "written: let NIGHTCAP_PROMOTIONS name its folder, or restore it; if it is lost, take the tag "
                f"{ENTRY_TAG} off {name} in MLflow, and {then}"
            )
        return entry

    def _noted(self, name: str) -> int:
        """The number of the newest entry about a model that MLflow has noted; 0 if none."""
        text = self.registry.model_tags(name).get(ENTRY_TAG, "")
        return int(text) if text.isdecimal() else 0

    def _promoted(self, entry: Entry) -> PinnedModel:
        uri = str(ModelUri(entry.model, entry.target))
        where = f"promotion journal, entry {entry.number}"
        advice = "make another the champion with `nightcap models rollback VERSION`"
        try:
            pinned = self.registry.resolve(uri)
        except ModelNotFound as error:
            raise ModelNotFound(f"the champion is {uri} ({where}); {error}, or {advice}") from error
        if pinned.digest != entry.digest:
            raise BundleRejected(
                f"{uri} was promoted with bundle {entry.digest} ({where}), its tag now says {pinned.digest}; {advice}"
            )
        return pinned

    def _repair(self, entry: Entry, expected: str | None) -> None:
        """Set the alias and the tag by the journal, and warn if the alias named an unexpected version.

        A failure to write them only warns: the next call tries again.
        """
        alias = self.registry.aliased(entry.model, CHAMPION)
        problem = f"alias {CHAMPION} of {entry.model} names version {alias}, entry {entry.number} of the journal {entry.target}"
        try:
            if self._noted(entry.model) < entry.number:
                self.registry.tag_model(entry.model, {ENTRY_TAG: str(entry.number)})
            if alias == entry.target:
                return
            self.registry.set_alias(entry.model, CHAMPION, entry.target)
        except NightcapError as error:
            log.warning("%s; it cannot be repaired: %s", problem, error)
        else:
            log.log(logging.INFO if alias == expected else logging.WARNING, "%s; it is repaired", problem)

    def record_verdict(
        self, pinned: PinnedModel, passed: bool, reason: str, digest: str = "", champion: PinnedModel | None = None
    ) -> None:
        """Tag a version with the gate's verdict; one without a digest compares it with no champion."""
        tags = {GATE_TAG: PASSED if passed else REFUSED, VERDICT_TAG: reason[:TAG_LENGTH]}
        if digest:
            tags |= {VERDICT_DIGEST_TAG: digest, JUDGED_AGAINST_TAG: champion.version if champion else NOBODY}
        self.registry.tag(pinned.name, pinned.version, tags)


def whoami() -> str:
    """The user of this process, for the journal."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        return f"user {os.getuid()}"
