import time

import pytest

from pipeline.core.errors import ModelNotFound
from pipeline.registry.lineage import SNAPSHOT_TAG
from pipeline.registry.promotions import Promotions
from pipeline.registry.versions import DIGEST_TAG
from pipeline.upkeep.gc.mark import Reachable
from pipeline.upkeep.gc.versions import old_versions, remove_files
from tests.pipeline.registry.light_registry import NAME, bundle_of
from tests.pipeline.upkeep.gc.trainings import plan


def test_files_of_old_versions_go_only_when_asked_and_what_is_known_of_them_stays(home, gc):
    promotions = Promotions(home)
    digests = {each.version: each.tags[DIGEST_TAG] for each in promotions.registry.versions(NAME)}
    for version in "1234":
        assert bundle_of(home, int(version)).is_dir()
    plan(home, "n1", digests["1"])
    assert "files of" not in gc("--yes", "--keep-days", "0").out
    said = gc("--versions", "--keep-days", "0")
    assert said.out.count("files of captioner version 4") == 1 == said.out.count("files of")
    gc("--yes", "--versions", "--keep-days", "0")
    assert [bundle_of(home, int(version)).is_dir() for version in "1234"] == [True, True, True, False]
    with pytest.raises(ModelNotFound, match=r"the files of models:/captioner/4 were removed on \d{4}-"):
        promotions.registry.resolve(f"models:/{NAME}/4")
    assert promotions.registry.version(f"models:/{NAME}/4").tags[SNAPSHOT_TAG]
    assert promotions.registry.with_digest(NAME, digests["4"]) is None
    assert promotions.registry.with_digest(NAME, digests["1"]).version == "1"
    assert "files of" not in gc("--yes", "--versions", "--keep-days", "0").out


def test_a_version_that_is_chosen_after_it_was_listed_keeps_its_files(home):
    def reach(*pinned):
        return Reachable(home, pinned, 0, time.time())

    listed = old_versions(reach())
    assert [each.version.version for each in listed] == ["4", "1"]
    four, one = listed
    assert not remove_files(reach(one.version.tags[DIGEST_TAG]), one)
    Promotions(home).promote_by_hand(NAME, "4", "Ada", "it is better", anyway=True)
    assert not remove_files(reach(), four)
    assert Promotions(home).champion(NAME).version == "4"
