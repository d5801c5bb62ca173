"""A person names an external registered version as a captioner in the journal; only then may nights run it."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected
from pipeline.model.external.package import read_external
from pipeline.model.interface import EXTERNAL, PinnedModel
from pipeline.registry.journal import ALLOW, Change, Journal
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
