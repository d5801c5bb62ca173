"""The rules, each a line that a person can read in the Data Docs."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.core import reasons
from pipeline.core.settings import ValidationSettings
from pipeline.data.sources.base import SPLITS
from pipeline.data.validation.profile import DRIFTS
from pipeline.data.validation.text_checks import SCANNED

MAX_WORD_CHARACTERS = 30  # on average over the longest caption allowed
REPEAT_SHARE = 0.01

_SIZE = (reasons.TOO_LARGE_FILE, reasons.TOO_MANY_PIXELS, reasons.TOO_SMALL)


@dataclass(frozen=True)
class Rule:
    """A rule on one column of facts."""

    column: str
    description: str
    reason: str = ""  # why a failing row is quarantined, or a dataset rejected
    low: float | None = None  # smallest allowed value
    high: float | None = None  # largest allowed value
    refused: tuple[str, ...] = ()  # values that are not allowed, each its own reason; low and high are then unused


def caption_rules(settings: ValidationSettings, count: int) -> list[Rule]:
    """Row rules on the facts of `count` captions; a row's reason is the first it fails."""
    shortest, longest = settings.min_caption_words, settings.max_caption_words
    repeats = max(settings.max_caption_repeats, int(REPEAT_SHARE * count))
    characters = min(MAX_WORD_CHARACTERS * longest, SCANNED)
    return [
        Rule("bad_characters", "no control or private-use characters", reasons.BAD_CHARACTERS, high=0),
        Rule("markup", "no HTML", reasons.MARKUP, high=0),
        Rule("formula", "nothing that a spreadsheet would run", reasons.FORMULA, high=0),
        Rule("links", "no links", reasons.LINK, high=0),
        Rule("personal", "no e-mail addresses, telephone or card numbers", reasons.PERSONAL_DATA, high=0),
        Rule("words", "a caption is present", reasons.EMPTY_CAPTION, low=1),
        Rule("words", f"at least {shortest} words", reasons.CAPTION_TOO_SHORT, low=shortest),
        Rule("words", f"at most {longest} words", reasons.CAPTION_TOO_LONG, high=longest),
        Rule("characters", f"at most {characters} characters", reasons.CAPTION_TOO_LONG, high=characters),
        Rule("copy", "no caption twice on one image", reasons.DUPLICATE, high=0),
        Rule("repeats", f"no caption more than {repeats} times", reasons.REPEATED_CAPTION, high=repeats),
    ]


def image_rules(settings: ValidationSettings) -> list[Rule]:
    """Row rules on the facts of images; a row's reason is the first it fails."""
    size = (
        f"sides of at least {settings.min_side} pixels, at most {settings.max_megapixels:g} megapixels "
        f"and {settings.max_image_bytes:,} bytes"
    )
    copies = "no image of train in val or test, none of val in test"
    twins = "no image that looks like one in a split that takes precedence"
    undecodable = (*(reason for reason in reasons.DECODE_REASONS if reason not in _SIZE), *reasons.DECODER_ENDS)
    return [
        Rule("problem", "the file is as the snapshot lists it", refused=(reasons.MISSING, reasons.SOURCE_CHANGED)),
        Rule("problem", "the image can be decoded", refused=undecodable),
        Rule("problem", size, refused=_SIZE),
        Rule("captions", "at least one accepted caption", reasons.NO_CAPTION, low=1),
        Rule("copies_in_later_splits", copies, reasons.IN_TWO_SPLITS, high=0),
        Rule("copy", "no image twice in a split", reasons.DUPLICATE, high=0),
        Rule("near_duplicates", twins, reasons.NEAR_DUPLICATE, high=0),
    ]


def dataset_rules(settings: ValidationSettings) -> list[Rule]:
    """Rules on the dataset's one row of facts."""
    least, share = settings.min_images, settings.max_quarantine_share
    rules = [
        Rule(f"{split}_images", f"at least {least} accepted images in {split}", reasons.TOO_FEW_IMAGES, low=least)
        for split in SPLITS
    ]
    for kind in ("image", "caption"):
        most = f"at most {100 * share:g}% of the {kind}s quarantined"
        rules.append(Rule(f"{kind}_quarantine_share", most, reasons.TOO_MUCH_QUARANTINED, high=share))
    return rules


def drift_rules(settings: ValidationSettings) -> list[Rule]:
    """Rules on the one row of differences from the last accepted snapshot."""
    return [
        Rule(measure, f"{description} by at most {limit:g}", reasons.DRIFTED, high=limit)
        for measure, (description, name) in DRIFTS.items()
        for limit in (settings.constants[name],)
    ]
