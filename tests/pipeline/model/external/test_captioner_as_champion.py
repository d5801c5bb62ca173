"""A captioner that others made, made the champion of its name."""

import pytest

from pipeline.core.settings import GateSettings
from pipeline.registry.external import name_external
from pipeline.registry.infra_validation import try_version
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
