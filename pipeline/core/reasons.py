"""Why an image or caption is quarantined, or a dataset rejected; tables and settings hold the codes, which never change."""

from __future__ import annotations

EMPTY = "empty"
NOT_AN_IMAGE = "not_an_image"
UNSUPPORTED_FORMAT = "unsupported_format"
TRUNCATED = "truncated"
CORRUPT = "corrupt"
TOO_LARGE_FILE = "too_large_file"
TOO_MANY_PIXELS = "too_many_pixels"
TOO_SMALL = "too_small"
DECODER_MEMORY = "decoder_memory"
DECODER_TIMEOUT = "decoder_timeout"
DECODER_CRASHED = "decoder_crashed"

MISSING = "missing"
SOURCE_CHANGED = "source_changed"
FORBIDDEN = "forbidden"
UNSAFE_NAME = "unsafe_name"

WITHHELD = "withheld"
UNUSABLE = "unusable"
CAPTIONER_FAILED = "captioner_failed"
CAPTION_REJECTED = "caption_rejected"

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

DECODE_REASONS = {
    EMPTY: "The file has no bytes.",
    NOT_AN_IMAGE: "The bytes are no image, whatever the file's name says.",
    UNSUPPORTED_FORMAT: "An image in a format other than JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF and, with the extra `heic`, HEIC; or a "
    "TIFF whose samples cannot be read: convert it to 8 or 16 bits in grey, RGB or CMYK.",
    TRUNCATED: "The file ends before the image does.",
    CORRUPT: "The file starts like an image but cannot be decoded.",
    TOO_LARGE_FILE: "The file has more bytes than the limit.",
    TOO_MANY_PIXELS: "The image has more pixels than the limit; refused before decoding.",
    TOO_SMALL: "A side of the image has fewer pixels than the limit.",
    DECODER_MEMORY: "Decoding the image needs more memory than a decoder may have.",
}

# images of a night or of `nightcap caption`
NIGHT_REASONS = DECODE_REASONS | {
    DECODER_TIMEOUT: "Decoding the image took longer than the limit; time in which the computer stood still does not count.",
    DECODER_CRASHED: "The decoder died of the image three times, the last time with no other image beside it.",
    SOURCE_CHANGED: "The file was changed or deleted after it was listed; its new state is another object.",
    FORBIDDEN: "This user may not read the file.",
    UNSAFE_NAME: "The name cannot be used here: it would lead elsewhere, or the store does not take it.",
    WITHHELD: "The model was not sure enough of its caption, which stays in the table, unpublished.",
    UNUSABLE: "The image has a flag. With unusable=withhold its caption stays in the table, unpublished; with "
    "unusable=quarantine it was not captioned.",
    CAPTIONER_FAILED: "An external captioner crashed, took too long or gave no answer for this image alone.",
    CAPTION_REJECTED: "The answer of an external captioner is no caption: empty, too long, markup or invisible characters.",
}

# What may lie in the moment and not in the image: it comes again by itself, at growing distances.
OF_THE_MOMENT = frozenset({DECODER_TIMEOUT, DECODER_CRASHED, FORBIDDEN, CAPTIONER_FAILED})
NIGHT_REASONS |= {reason: f"{NIGHT_REASONS[reason]} Of the moment: tried again by itself." for reason in OF_THE_MOMENT}

# images of a training
IMAGE_REASONS = {
    MISSING: "The file that the source names is not there or cannot be read.",
    SOURCE_CHANGED: "The file has other bytes than when the snapshot was taken.",
    **DECODE_REASONS,
    NO_CAPTION: "The image has no caption, or none that was accepted.",
    DUPLICATE: "The same bytes are in this split already; the first image is kept.",
    IN_TWO_SPLITS: "The same bytes are in a split that takes precedence (test before val before train), where they stay.",
    NEAR_DUPLICATE: "Looks the same as an image in a split that takes precedence, where that one stays.",
}

# captions of a training
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

# Reasons that a person may waive for a row; a file that is no image, or a text that is no caption, stays out.
WAIVABLE = frozenset(
    {NEAR_DUPLICATE, MARKUP, FORMULA, LINK, PERSONAL_DATA, CAPTION_TOO_SHORT, CAPTION_TOO_LONG, REPEATED_CAPTION}
)
