import pytest

from pipeline.core.errors import PromotionConflict
from pipeline.core.settings import train_settings
from pipeline.registry.promotions import Promotions
from pipeline.registry.versions import Registry
from pipeline.release.gate.promote import promote_judged
from pipeline.training.run import TrainingRun
from tests.pipeline.registry.light_registry import NAME, add_versions, captioning, home_in


@pytest.fixture
def home(tmp_path):
    home = home_in(tmp_path)
    add_versions(home, "one", "two")
    return home


def run_of(home, approval):
    return TrainingRun(train_settings({"preset": "scenes", "gate": {"approval": approval}}), home)


def verdict(promote=True):
    return {"promote": promote, "since": 0, "digest": "e" * 64, "reason": "better"}


def test_a_verdict_promotes_or_leaves_the_champion(home):
    run = run_of(home, "automatic")
    assert promote_judged(run, "1", verdict(promote=False), "me") == verdict(promote=False) | {"promoted": False}
    assert captioning(home) is None
    assert promote_judged(run, "1", verdict(), "me")["promoted"]
    entry = Promotions(home).journal.current(NAME)
    assert (entry.target, entry.verdict, entry.who, entry.why) == ("1", "e" * 64, "me", "better")
    assert "champion" in Registry(home).version(f"models:/{NAME}/1").aliases


def test_what_a_person_approved_is_not_compared_anew(home):
    Promotions(home).promote(NAME, "2", 0, "another")
    with pytest.raises(PromotionConflict, match="another made version 2 it"):
        promote_judged(run_of(home, "person"), "1", verdict(), "me")
    assert captioning(home) == "2"
