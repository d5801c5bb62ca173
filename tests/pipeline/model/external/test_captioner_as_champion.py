"""A captioner that others made, made the champion of its name."""

from dataclasses import replace

import pytest

from pipeline.core.errors import BundleRejected
from pipeline.core.settings import GateSettings
from pipeline.registry.external import name_external
from pipeline.registry.infra_validation import try_version
from pipeline.registry.journal import Change, Journal
from pipeline.registry.loading import pin
from pipeline.registry.promotions import Promotions
from tests.pipeline.model.external.strangers import log_model, running
from tests.pipeline.registry.light_registry import home_in


@pytest.mark.integration
def test_a_strangers_captioner_is_tried_promoted_and_gone_back_to(tmp_path):
    """It has no golden captions; a process of the trial's starts one of its own."""
    home = home_in(tmp_path)
    pinned = [name_external(home, log_model(home, "stranger"), "ann") for _ in range(2)]
    tried = try_version(home, pinned[0].uri, GateSettings(sample_images=8))
    assert (tried["golden"], tried["images"]) == (0, 8)
    promotions = Promotions(home)
    for each in pinned:
        promotions.promote_by_hand("stranger", each.version, "ann", "it is kind", anyway=True)
        assert pin(home, "models:/stranger@champion") == each
    promotions.rollback("stranger", None, "ann")
    assert pin(home, "models:/stranger@champion") == pinned[0]
    assert running() == []


def test_the_champion_of_an_older_journal_captions_once_it_is_named_again(tmp_path):
    """Older entries do not say that a captioner runs code of others."""
    home = home_in(tmp_path)
    named = name_external(home, log_model(home, "stranger"), "ann")
    older = replace(home, journal=str(tmp_path / "older"))
    change = {
        "model": "stranger",
        "action": "promote",
        "from": None,
        "to": named.version,
        "digest": named.digest,
        "who": "ann",
    }
    Journal.of(older).append(Change.model_validate(change), since=0)
    with pytest.raises(BundleRejected, match="nightcap models external"):
        pin(older, "models:/stranger@champion")
    name_external(older, named.uri, "ann")
    assert pin(older, "models:/stranger@champion") == Promotions(older).champion("stranger") == named
