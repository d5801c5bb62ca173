"""The table of reasons."""

from pipeline.core import reasons

CODES = {name: value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}


def test_every_code_is_its_constant_s_name_and_has_a_description():
    assert {name.lower() for name in CODES} == set(CODES.values())
    described = reasons.NIGHT_REASONS | reasons.IMAGE_REASONS | reasons.CAPTION_REASONS | reasons.DATASET_REASONS
    described |= reasons.IGNORED_REASONS
    assert set(described) == set(CODES.values())


def test_only_rows_that_are_images_or_texts_may_be_waived():
    unreadable = {*reasons.DECODE_REASONS, reasons.MISSING, reasons.BAD_CHARACTERS, reasons.EMPTY_CAPTION}
    assert not reasons.WAIVABLE & unreadable
    assert set(reasons.IMAGE_REASONS | reasons.CAPTION_REASONS) >= reasons.WAIVABLE
