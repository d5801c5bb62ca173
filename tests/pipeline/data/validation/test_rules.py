from pipeline.core import reasons
from pipeline.core.settings import ValidationSettings
from pipeline.data.validation.rules import caption_rules, dataset_rules, drift_rules, image_rules


def test_every_reason_given_is_documented(validated):
    for kind, known in (("image", reasons.IMAGE_REASONS), ("caption", reasons.CAPTION_REASONS)):
        assert set(validated.quarantine["reason"][validated.quarantine["kind"] == kind]) <= set(known)
    for text in (reasons.IMAGE_REASONS | reasons.CAPTION_REASONS | reasons.DATASET_REASONS).values():
        assert text.endswith(".")
        assert "\n" not in text


def test_every_rule_has_a_documented_reason():
    settings = ValidationSettings()
    for rules, documented in (
        (caption_rules(settings, 10), reasons.CAPTION_REASONS),
        (image_rules(settings), reasons.IMAGE_REASONS),
        (dataset_rules(settings) + drift_rules(settings), reasons.DATASET_REASONS),
    ):
        assert {reason for rule in rules for reason in rule.refused or (rule.reason,)} == set(documented)


def test_limits_are_those_of_the_settings():
    settings = ValidationSettings(min_images=7, max_quarantine_share=0.02, max_caption_repeats=5)
    by_column = {rule.column: rule for rule in dataset_rules(settings) + drift_rules(settings)}
    assert by_column["val_images"].low == 7
    assert by_column["caption_quarantine_share"].high == 0.02
    assert by_column["word_drift"].high == settings.constants["max_word_drift"]
    assert caption_rules(settings, 10)[-1].high == 5
    assert caption_rules(settings, 10_000)[-1].high == 100  # one in a hundred of many captions
