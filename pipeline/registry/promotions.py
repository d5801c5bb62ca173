"""Which version captions: the promotion journal decides, and MLflow's alias `champion` is its copy.

Whoever has an account at MLflow may set tags and aliases, so they authorise nothing.
"""

from __future__ import annotations

import getpass
import logging
import os
import tempfile
from itertools import takewhile
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.core.errors import (
    BundleRejected,
    ModelNotFound,
    NightcapError,
    NothingPromoted,
    PromotionRefused,
    SettingsError,
)
from pipeline.model.bundle import ENGINE, Bundle
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

        Another alias is repaired, with a warning. NothingPromoted before a model's first entry, SettingsError where an
        alias exists without one.
        """
        address = ModelUri.parse(uri)
        if address.alias != CHAMPION:
            return self._registered(uri)
        entry = self._current(address.name)
        if entry is None:
            raise self._nothing_promoted(address.name)
        pinned = self._promoted(entry)
        self._repair(entry, expected=entry.target)
        return pinned

    def champion(self, name: str) -> PinnedModel | None:
        """The version that captions by the journal, though MLflow may have lost it; None before the first promotion."""
        entry = self._current(name)
        if entry is None:
            return None
        self._repair(entry, expected=entry.target)
        named = self.journal.about(name, entry.target)  # perhaps later, and with the engine that an old entry lacks
        return _pinned(named if named and named.digest == entry.digest else entry)

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
        chosen = self._registered(str(ModelUri(name, version)))
        tags, against = self.registry.tags(chosen), champion.version if champion else NOBODY
        if champion == chosen:
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
        earlier = (entry for entry in self.journal.decisions(name) if (entry.action, entry.who) == ("rollback", who))
        done = next(earlier, None) if once else None
        if done is not None and now is not None:
            self._repair(now, expected=now.origin)
            return done
        version = version or self.before(name)
        chosen, known = self._registered(str(ModelUri(name, version))), self.journal.about(name, version)
        before = {each for entry in self.journal.decisions(name) for each in (entry.origin, entry.target)}
        if version in before and known is not None and known.digest != chosen.digest:
            raise BundleRejected(_other_bytes(known, chosen.digest))
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
        promoted = (entry for entry in self.journal.decisions(name) if entry.action == "promote")
        made = next((entry for entry in promoted if now is not None and entry.target == now.target), None)
        if made is None or made.origin is None:
            raise SettingsError(f"the journal knows no version of {name} before the present one; name the version")
        return made.origin

    def given_up(self, name: str, version: str) -> Entry | None:
        """The newest entry that rolled back from a version, unless a person has promoted it since."""
        for entry in self.journal.decisions(name):
            if entry.action == "promote" and entry.target == version:
                return None
            if entry.action == "rollback" and entry.origin == version:
                return entry
        return None

    def given_up_by(self, name: str, number: int | None = None) -> list[str]:
        """Which versions a rollback gave up: all that captioned since its target last did, the newest first.

        `number` is of the rollback's entry, by default the model's newest; a promotion gives up none.
        """
        entries = [entry for entry in self.journal.decisions(name) if number is None or entry.number <= number]
        if not entries or entries[0].action != "rollback":
            return []
        since = takewhile(lambda entry: entry.origin != entries[0].target, entries)
        return list(dict.fromkeys(entry.origin for entry in since if entry.origin))

    def _decide(self, action: Action, name: str, version: str, since: int, **reasons: str | None) -> Entry | None:
        chosen, now = self._registered(str(ModelUri(name, version))), self._current(name)
        origin, known = now.target if now else None, self.journal.about(name, version)
        if chosen.is_external and self.journal.authorising(chosen) is None:
            raise PromotionRefused(
                f"{chosen.uri} runs code of others; name it first: nightcap models external {chosen.uri}"
            )
        if now is not None and (now.target, now.digest) == (chosen.version, chosen.digest):
            # Written by this caller, if it was stopped before the answer.
            is_own = now.number > since and (now.action, now.verdict) == (action, reasons.get("verdict"))
            entry = now if is_own else None
        else:
            with tempfile.TemporaryDirectory() as scratch:
                model = download(self.registry, chosen, Path(scratch) / "model")  # past the cache, to check every file
            if known is not None and known.digest != chosen.digest:
                log.warning("%s", _other_bytes(known, chosen.digest))
            engine = model.settings.engine if isinstance(model, Bundle) else chosen.engine
            fields = {"model": name, "action": action, "origin": origin, "target": version}
            fields |= {"digest": chosen.digest, "engine": engine}
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
            after, then = "", "nothing captions until the next promotion"
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

    def require_intact(self, pinned: PinnedModel) -> None:
        """Raise ModelNotFound if MLflow has a version no more, BundleRejected if its number carries other bytes."""
        found = self.registry.resolve(pinned.uri)
        if found.digest != pinned.digest:
            raise BundleRejected(
                f"{pinned.uri} in MLflow has digest {found.digest[:12]} instead of {pinned.digest[:12]}"
            )

    def _promoted(self, entry: Entry) -> PinnedModel:
        uri = str(ModelUri(entry.model, entry.target))
        where = f"promotion journal, entry {entry.number}"
        advice = "make another the champion with `nightcap models rollback VERSION`"
        try:
            pinned = self._registered(uri)
        except ModelNotFound as error:
            raise ModelNotFound(f"the champion is {uri} ({where}); {error}, or {advice}") from error
        if pinned.digest != entry.digest:
            raise BundleRejected(f"{_other_bytes(entry, pinned.digest)}; {advice}")
        if pinned.is_external and self.journal.authorising(pinned) is None:
            raise BundleRejected(
                f"{uri} is the champion ({where}) and runs code of others, but was revoked since, or the entry is from an "
                f"older Nightcap and does not say so; {advice}, or name it again: nightcap models external {uri}"
            )
        return pinned

    def _registered(self, uri: str) -> PinnedModel:
        """Pin a version that MLflow has: digest and engine as the journal says if it names the version, else by its tags."""
        version = self.registry.version(uri)
        entry = self.journal.about(version.name, version.version)
        if entry and entry.engine and version.holds(entry.digest):
            return _pinned(entry)
        return version.pinned(uri)

    def _nothing_promoted(self, name: str) -> SettingsError:
        alias = self.registry.aliased(name, CHAMPION)
        if alias is None:
            return NothingPromoted(
                f"no model at {ModelUri(name, alias=CHAMPION)}, as no version of {name} has ever been promoted; make one with `nightcap train` or "
                "`make run`, or promote one with `nightcap models promote VERSION`"
            )
        return SettingsError(
            f"alias {CHAMPION} of {name} names version {alias}, but the promotion journal in {self.journal.uri} has no "
            "entry about it, and an alias alone counts for nothing: whoever has an account at MLflow may set it. If the "
            f"version is yours, such as one from before the journal: nightcap models promote {alias} --anyway"
        )

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

    def attempts(self, champion: PinnedModel, but: str) -> int:
        """How many versions, `but` one, the gate has last compared with this champion."""
        versions = (each for each in self.registry.versions(champion.name) if each.version != but)
        return sum(each.tags.get(JUDGED_AGAINST_TAG) == champion.version for each in versions)

    def record_verdict(
        self, pinned: PinnedModel, passed: bool, reason: str, digest: str = "", champion: PinnedModel | None = None
    ) -> None:
        """Tag a version with the gate's verdict; one without a digest compares it with no champion."""
        tags = {GATE_TAG: PASSED if passed else REFUSED, VERDICT_TAG: reason[:TAG_LENGTH]}
        if digest:
            tags |= {VERDICT_DIGEST_TAG: digest, JUDGED_AGAINST_TAG: champion.version if champion else NOBODY}
        self.registry.tag(pinned.name, pinned.version, tags)


def _pinned(entry: Entry) -> PinnedModel:
    """The version that an entry names."""
    return PinnedModel(
        entry.model, entry.target, entry.digest, entry.engine or ENGINE, str(ModelUri(entry.model, entry.target))
    )


def _other_bytes(entry: Entry, digest: str) -> str:
    return (
        f"{ModelUri(entry.model, entry.target)} in MLflow has other bytes than the version of that number that the journal "
        f"names (entry {entry.number}): digest {digest[:12]} instead of {entry.digest[:12]}"
    )


def whoami() -> str:
    """The user of this process, for the journal."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        return f"user {os.getuid()}"
