"""MLflow has lost the champion, or has another under its number: it is shown, and mended from the same bytes."""

import shutil
from dataclasses import replace

import pytest

from pipeline.core.errors import BundleRejected, ModelNotFound, NothingPromoted
from pipeline.registry.cache import fetch
from pipeline.registry.loading import pin
from pipeline.registry.promotions import Promotions
from pipeline.registry.versions import CHAMPION, REMOVED_TAG
from pipeline.release.repair import mend, standings
from tests.pipeline.registry.light_registry import NAME, add_versions, home_in

URI = f"models:/{NAME}@{CHAMPION}"


@pytest.fixture
def home(tmp_path):
    """Version 1 and then 2 was promoted; 3 is registered."""
    home = home_in(tmp_path)
    add_versions(home, "one", "two", "three")
    promotions = Promotions(home)
    for version in ("1", "2"):
        promotions.promote(NAME, version, promotions.journal.last(), "me")
    return home


def states(home):
    return {each.version: each.state for each in standings(Promotions(home), NAME)}


def delete(home, version=None):
    import mlflow

    client = mlflow.MlflowClient(home.tracking_uri)
    if version is None:
        client.delete_registered_model(NAME)
    else:
        client.delete_model_version(NAME, version)


def test_what_fits_is_left_alone(home):
    assert states(home) == {"3": "unknown to the journal", "2": "intact", "1": "intact"}
    assert list(mend(home, NAME, "me")) == [f"the champion, models:/{NAME}/2, is intact"]
    assert Promotions(home).journal.last() == 2


@pytest.mark.parametrize("lost", ["version", "model"])
def test_a_deleted_champion_is_registered_anew_from_the_cache(home, lost):
    """Every command works meanwhile, and a night is not skipped but fails."""
    digest = fetch(home, pin(home, URI)).digest
    delete(home, "2" if lost == "version" else None)
    with pytest.raises(ModelNotFound, match="the champion is models:/captioner/2") as told:
        pin(home, URI)
    assert not isinstance(told.value, NothingPromoted)
    assert states(home)["2"] == "missing"
    said = list(mend(home, NAME, "me"))
    assert "no model at models:/captioner/2" in said[0]
    assert "is the champion (entry 3 of the promotion journal)" in said[-1]
    pinned = pin(home, URI)
    assert (pinned.digest, Promotions(home).registry.aliased(NAME, CHAMPION)) == (digest, pinned.version)
    assert fetch(replace(home, root=home.root / "empty"), pinned).digest == digest


def test_without_the_bytes_the_ways_out_are_told_and_a_new_version_is_promoted(home):
    delete(home, "2")
    assert "restore MLflow from a backup" in list(mend(home, NAME, "me"))[-1]
    promotions = Promotions(home)
    entry = promotions.promote_by_hand(NAME, "3", "me", "the next", anyway=True)
    assert (entry.origin, pin(home, URI).version) == ("2", "3")
    assert promotions.rollback(NAME, "1", "me").target == "1"


def test_another_database_whose_numbers_begin_again(home, tmp_path):
    """Version 1 is another one now: it is named as such, not taken for the champion, and can be promoted."""
    promotions = Promotions(home)
    promotions.rollback(NAME, "1", "me")
    other = replace(home, tracking_uri=f"sqlite:///{tmp_path / 'other.db'}")
    shutil.rmtree(home.artifacts)
    add_versions(other, "another")
    with pytest.raises(BundleRejected, match=r"models:/captioner/1 in MLflow has other bytes .* \(entry 3\)"):
        pin(other, URI)
    assert states(other) == {"2": "missing", "1": "other bytes"}
    with pytest.raises(BundleRejected, match="has other bytes"):
        Promotions(other).rollback(NAME, "1", "me")
    entry = Promotions(other).promote_by_hand(NAME, "1", "me", "anew", anyway=True)
    assert (entry.number, entry.origin, entry.target) == (4, "1", "1")
    assert pin(other, URI).digest == entry.digest
    assert states(other)["1"] == "intact"


def test_removed_files_are_told(home):
    Promotions(home).registry.tag(NAME, "1", {REMOVED_TAG: "2026-11-30"})
    assert states(home)["1"] == "files removed"
