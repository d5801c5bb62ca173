"""Why an image or caption is quarantined, or a dataset rejected: the documented codes."""

from __future__ import annotations

from pipeline.imaging import decode as images

MISSING = "missing"
SOURCE_CHANGED = "source_changed"
NO_CAPTION = "no_caption"
DUPLICATE = "duplicate"
IN_TWO_SPLITS = "in_two_splits"
NEAR_DUPLICATE = "near_duplicate"

BAD_CHARACTERS = "bad_characters"
MARKUP = "markup"
FORMULA = "formula"
LINK = "link"
PERSONAL_DATA = "personal_data"
EMPTY_CAPTION = "empty_caption"
CAPTION_TOO_SHORT = "caption_too_short"
CAPTION_TOO_LONG = "caption_too_long"
REPEATED_CAPTION = "repeated_caption"

TOO_FEW_IMAGES = "too_few_images"
TOO_MUCH_QUARANTINED = "too_much_quarantined"
DRIFTED = "drifted"

IMAGE_REASONS = {
    MISSING: "The file that the source names is not there or cannot be read.",
    SOURCE_CHANGED: "The file has other bytes than when the snapshot was taken.",
    **images.DECODE_REASONS,
    NO_CAPTION: "The image has no caption, or none that was accepted.",
    DUPLICATE: "The same bytes are in this split already; the first image is kept.",
    IN_TWO_SPLITS: "The same bytes are in a split that judges more (test before val before train), where they stay.",
    NEAR_DUPLICATE: "Looks the same as an image in a split that judges more, where that one stays.",
}

CAPTION_REASONS = {
    BAD_CHARACTERS: "Control, bidirectional, private-use or replacement characters.",
    MARKUP: "HTML tags, comments or entities.",
    FORMULA: "Begins like a spreadsheet's formula.",
    LINK: "An address of the web, or of what a browser would open.",
    PERSONAL_DATA: "An e-mail address, a telephone, card, account or social security number, an IP address, or a handle.",
    EMPTY_CAPTION: "No word, in any script.",
    CAPTION_TOO_SHORT: "Fewer words than validation.min_caption_words.",
    CAPTION_TOO_LONG: "More words than validation.max_caption_words, or words of absurd length.",
    DUPLICATE: "The image has the same caption already; the first is kept.",
    REPEATED_CAPTION: "The same caption occurs more often than validation.max_caption_repeats allows.",
}

DATASET_REASONS = {
    TOO_FEW_IMAGES: "A split has fewer accepted images than validation.min_images.",
    TOO_MUCH_QUARANTINED: "More images or captions are quarantined than validation.max_quarantine_share.",
    DRIFTED: "Captions or images differ more from the last accepted snapshot than the drift settings allow.",
}

# Reasons that a person may wave aside for a row; what is not an image or not a text stays out.
WAIVABLE = frozenset(
    {NEAR_DUPLICATE, MARKUP, FORMULA, LINK, PERSONAL_DATA, CAPTION_TOO_SHORT, CAPTION_TOO_LONG, REPEATED_CAPTION}
)
