"""A person names an external registered version as a captioner in the journal, or revokes it; only named ones run."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected, SettingsError
from pipeline.model.external.package import read_external
from pipeline.model.interface import EXTERNAL, PinnedModel
from pipeline.model.model_uri import ModelUri
from pipeline.registry.journal import ALLOW, REVOKE, Change, Entry, Journal
from pipeline.registry.versions import DIGEST_TAG, ENGINE_TAG, Registry

log = logging.getLogger(__name__)


def name_external(home: Home, uri: str, who: str, why: str = "") -> PinnedModel:
    """Let a version of others caption, its files checked but not run; BundleRejected for our own and for altered files."""
    registry = Registry(home)
    version = registry.version(uri)
    if version.digest is not None and not version.is_external:
        raise BundleRejected(f"{uri} is version {version.version} of Nightcap's own making; it needs no naming")
    pinned_uri, journal = str(version.uri), Journal.of(home)
    known = journal.about(version.name, version.version)
    with tempfile.TemporaryDirectory() as scratch:
        registry.download(pinned_uri, ".", Path(scratch) / "model")
        model = read_external(Path(scratch) / "model", known.digest if known else version.digest)
    pinned = PinnedModel(version.name, version.version, model.digest, EXTERNAL, pinned_uri)
    if journal.authorising(pinned) is None:
        change = {
            "model": pinned.name,
            "action": ALLOW,
            "origin": None,
            "target": pinned.version,
            "who": who,
            "why": why,
        }
        change |= {"digest": pinned.digest, "engine": EXTERNAL}
        journal.append(Change.model_validate(change), journal.last())
    # Tags show it to people. The engine first: a version with a digest and without an engine would be taken for one of ours.
    registry.tag(version.name, version.version, {ENGINE_TAG: EXTERNAL, DIGEST_TAG: model.digest})
    log.info("%s is named as an external captioner with digest %s", pinned_uri, model.digest)
    return pinned


def revoke_external(home: Home, uri: str, who: str, why: str = "") -> Entry:
    """Let a version of others caption no more, also where MLflow has lost it; SettingsError if none may run."""
    address, journal = ModelUri.parse(uri), Journal.of(home)
    version = address.version or Registry(home).version(uri).version
    since, named = journal.last(), journal.about(address.name, version)
    if named is None or named.engine != EXTERNAL or named.action == REVOKE:
        raise SettingsError(
            f"{uri} is version {version}, and the promotion journal in {journal.uri} lets no external captioner run as "
            f"that; `nightcap models journal {address.name}` lists its entries"
        )
    change = {"model": address.name, "action": REVOKE, "origin": None, "target": version, "who": who, "why": why}
    entry = journal.append(Change.model_validate(change | {"digest": named.digest, "engine": EXTERNAL}), since)
    log.info("%s may caption no more, entry %d", ModelUri(address.name, version), entry.number)
    return entry
