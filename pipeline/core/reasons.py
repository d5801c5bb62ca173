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
ARCHIVED = "archived"
UNAVAILABLE = "unavailable"
DAMAGED = "damaged"
FUTURE_DATE = "future_date"

OTHER_TYPE = "other_type"
SYSTEM_FOLDER = "system_folder"
EXCLUDED = "excluded"
OWN_FOLDER = "own_folder"
LINK_ELSEWHERE = "link_elsewhere"
NO_PLAIN_FILE = "no_plain_file"
UNLISTED = "unlisted"
VANISHED = "vanished"
REPEATED = "repeated"
OUTSIDE_INPUT = "outside_input"
NOT_LATEST = "not_latest"
UNUSABLE_ROW = "unusable_row"

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

# how an image may end its decoder
DECODER_ENDS = {
    DECODER_TIMEOUT: "Decoding the image took longer than the limit; time in which the computer stood still does not count.",
    DECODER_CRASHED: "The decoder died of the image three times, the last time with no other image beside it.",
}

# images of a night or of `nightcap caption`
NIGHT_REASONS = {
    **DECODE_REASONS,
    **DECODER_ENDS,
    SOURCE_CHANGED: "The file was changed or deleted after it was listed; its new state is another object.",
    FORBIDDEN: "This user may not read the file.",
    UNSAFE_NAME: "The name cannot be used here: it would lead elsewhere, or the store does not take it.",
    ARCHIVED: "The object lies in an archive class such as Glacier; restore it there, then replay this reason.",
    UNAVAILABLE: "The store or the disk refuses this file alone while it gives others: a customer's key (SSE-C), a KMS key that "
    "is gone, lost disks of a store, a bad sector. The log has the answer; mend the file, or replay this reason at once.",
    DAMAGED: "The store gives other bytes than its length or checksum says, each time; upload the file again.",
    FUTURE_DATE: "The file's time is more than a day ahead, so a clock was wrong; set the file's time, or replay this reason to "
    "caption it as it is.",
    WITHHELD: "The model was not sure enough of its caption, which stays in the table, unpublished.",
    UNUSABLE: "The image has a flag. With unusable=withhold its caption stays in the table, unpublished; with "
    "unusable=quarantine it was not captioned.",
    CAPTIONER_FAILED: "An external captioner crashed, took too long or gave no answer for this image alone.",
    CAPTION_REJECTED: "The answer of an external captioner is no caption: empty, too long, markup or invisible characters.",
}

# What may lie in the moment and not in the image: it comes again by itself, at growing distances.
# Not `captioner_failed`: the image was alone then, and a night of three such images would give up its captioner.
OF_THE_MOMENT = frozenset({DECODER_TIMEOUT, DECODER_CRASHED, FORBIDDEN, UNAVAILABLE})
NIGHT_REASONS |= {reason: f"{NIGHT_REASONS[reason]} Of the moment: tried again by itself." for reason in OF_THE_MOMENT}

# files that a listing passes over; no row tells of them
IGNORED_REASONS = {
    OTHER_TYPE: "The name says that the file is no photograph, or one that is not whole yet; it was not opened.",
    NOT_AN_IMAGE: "The name says nothing, and the first bytes are no image's.",
    SYSTEM_FOLDER: "In a folder of a NAS, a phone, Windows, macOS or a photo program: thumbnails, deleted files, snapshots.",
    EXCLUDED: "The setting `exclude` names it.",
    OWN_FOLDER: "Nightcap's own: its home, store or table lies in the input.",
    LINK_ELSEWHERE: "A link to a folder, out of the input or to nowhere.",
    NO_PLAIN_FILE: "A pipe, a socket or a device.",
    UNLISTED: "A folder or file that cannot be listed; the log has the system's answer.",
    VANISHED: "It went while it was listed.",
    REPEATED: "The store or the manifest names it twice.",
    OUTSIDE_INPUT: "A row of a manifest that lies outside the input.",
    NOT_LATEST: "A row of a manifest about an older version or a deletion.",
    UNUSABLE_ROW: "A row of a manifest without a usable name, etag, size or time.",
}

# images of a training
IMAGE_REASONS = {
    MISSING: "The file that the source names is not there or cannot be read.",
    SOURCE_CHANGED: "The file has other bytes than when the snapshot was taken.",
    **DECODE_REASONS,
    **DECODER_ENDS,
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

# of rows, be they images or captions
KNOWN_REASONS = NIGHT_REASONS.keys() | IMAGE_REASONS.keys() | CAPTION_REASONS.keys()

# Reasons that a person may waive for a row; a file that is no image, or a text that is no caption, stays out.
WAIVABLE = frozenset(
    {NEAR_DUPLICATE, MARKUP, FORMULA, LINK, PERSONAL_DATA, CAPTION_TOO_SHORT, CAPTION_TOO_LONG, REPEATED_CAPTION}
)
