"""Why a picture or caption is quarantined, or a dataset rejected: the documented codes."""

from __future__ import annotations

from pipeline import images

MISSING = "missing"
SOURCE_CHANGED = "source_changed"
NO_CAPTION = "no_caption"
DUPLICATE = "duplicate"
IN_TWO_SPLITS = "in_two_splits"

BAD_CHARACTERS = "bad_characters"
MARKUP = "markup"
EMPTY_CAPTION = "empty_caption"
CAPTION_TOO_SHORT = "caption_too_short"
CAPTION_TOO_LONG = "caption_too_long"
REPEATED_CAPTION = "repeated_caption"

TOO_FEW_IMAGES = "too_few_images"
TOO_MUCH_QUARANTINED = "too_much_quarantined"

IMAGE_REASONS = {
    MISSING: "The file that the source names is not there or cannot be read.",
    SOURCE_CHANGED: "The file has other bytes than when the snapshot was taken.",
    **images.REASONS,
    NO_CAPTION: "The picture has no caption, or none that was accepted.",
    DUPLICATE: "The same bytes are in this split already; the first picture is kept.",
    IN_TWO_SPLITS: "The same bytes are in a split that judges more (test before val before train), where they stay.",
}

CAPTION_REASONS = {
    BAD_CHARACTERS: "Control, bidirectional, private-use or replacement characters.",
    MARKUP: "HTML tags, comments or entities.",
    EMPTY_CAPTION: "No word, in any script.",
    CAPTION_TOO_SHORT: "Fewer words than validation.min_caption_words.",
    CAPTION_TOO_LONG: "More words than validation.max_caption_words, or words of absurd length.",
    DUPLICATE: "The picture has the same caption already; the first is kept.",
    REPEATED_CAPTION: "The same caption occurs more often than validation.max_caption_repeats allows.",
}

DATASET_REASONS = {
    TOO_FEW_IMAGES: "A split has fewer accepted pictures than validation.min_images.",
    TOO_MUCH_QUARANTINED: "More pictures or captions are quarantined than validation.max_quarantine_share.",
}
