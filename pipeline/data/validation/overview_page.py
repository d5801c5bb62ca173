"""The first page of the Data Docs, in place of Great Expectations' own index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.core.errors import BadInput, ObjectUnavailable
from pipeline.core.pages import bar_chart, data_uri, render
from pipeline.core.reasons import CAPTION_REASONS, IMAGE_REASONS, NEAR_DUPLICATE, PERSONAL_DATA
from pipeline.data.snapshot import Snapshot, read_images
from pipeline.data.sources.base import Source
from pipeline.data.validation.data_docs import make_local
from pipeline.data.validation.profile import DRIFTS, Profile
from pipeline.data.validation.validator import ValidationResult
from pipeline.imaging.decode import ImageLimits
from pipeline.imaging.sandbox import thumbnail_of_each
from pipeline.storage.files import write_text

PAIRS = 24  # shown, the most alike
_EXAMPLES = 3  # of each reason
_WORDS = 12  # whose share changed most
_CUT = 100
_SIDE = 160
_VALIDATED = ImageLimits(max_bytes=2**62, max_megapixels=170, min_side=1)  # by other limits, before

_ENDS = {  # of the axis of each chart
    "lengths": "words of a caption",
    "brightness": "dark to bright",
    "contrast": "flat to harsh",
    "saturation": "grey to colourful",
    "shape": "upright to wide",
    "megapixels": "small to large",
}


def write_overview(
    folder: Path, result: ValidationResult, reference: Profile | None, snapshot: Snapshot, source: Source
) -> None:
    """Put a page of figures and results before the site, whose pages need no network then."""
    make_local(folder)
    pages = {suite: next(folder.glob(f"validations/{suite}/**/*.html")).relative_to(folder) for suite in result.suites}
    page = render(
        Path(__file__).with_suffix(".html"),
        result=result,
        pages=pages,
        kinds={"images": IMAGE_REASONS, "captions": CAPTION_REASONS},
        examples=_examples(result),
        pairs=_pairs(result, snapshot, source),
        reference=reference,
        drifts=_drifts(result),
        charts=[_chart(name, reference, result.profile) for name in _ENDS if reference],
        words=_words(reference, result.profile) if reference else [],
    )
    write_text(folder / "index.html", page)


def _drifts(result: ValidationResult) -> list[dict[str, Any]]:
    drifts = result.figures.get("drift", {})
    allowed = {each.rule.column: each.rule.high for each in result.suites.get("drift", [])}
    return [{"description": DRIFTS[name][0], "drift": drifts[name], "allowed": allowed[name]} for name in drifts]


def _chart(name: str, then: Profile, now: Profile) -> dict[str, Any]:
    """The shares of two distributions in each bin."""
    bins = sorted(then[name].keys() | now[name].keys(), key=int)
    before, after = (
        [profile[name].get(key, 0) / max(1, sum(profile[name].values())) for key in bins] for profile in (then, now)
    )
    labels = [f"{share:.0%}, then {earlier:.0%}" for share, earlier in zip(after, before, strict=True)]
    return {"title": name, "ends": _ENDS[name], "bars": bar_chart(after, labels, before)}


def _words(then: Profile, now: Profile) -> list[tuple[str, float, float]]:
    """The words whose share changed most: word, share then, share now."""
    totals = [max(1, sum(profile["words"].values()) + profile["other_words"]) for profile in (then, now)]
    both = [
        (word, then["words"].get(word, 0) / totals[0], now["words"].get(word, 0) / totals[1])
        for word in then["words"].keys() | now["words"].keys()
    ]
    return sorted(both, key=lambda row: (-abs(row[1] - row[2]), row[0]))[:_WORDS]


def _examples(result: ValidationResult) -> dict[tuple[str, str], list[str]]:
    """A few of each reason: captions, but no personal data, or names and details of images."""
    examples: dict[tuple[str, str], list[str]] = {}
    for (kind, reason), rows in result.quarantine.groupby(["kind", "reason"]):
        if kind == "image":
            texts = rows["image"] if reason != NEAR_DUPLICATE else rows["image"].iloc[:0]
        elif reason == PERSONAL_DATA:
            texts = rows["caption"].iloc[:1].map(lambda _: "not shown here; see quarantine.parquet")
        else:
            texts = rows["caption"]
        examples[f"{kind}s", str(reason)] = [_short(text) for text in texts.head(_EXAMPLES)]
    return examples


def _short(text: str) -> str:
    """A text on one line, invisible characters spelt out."""
    cut = text[:_CUT] + (" ..." if len(text) > _CUT else "")
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in cut)


def _pairs(result: ValidationResult, snapshot: Snapshot, source: Source) -> list[dict[str, Any]]:
    """The most alike near-duplicates, with small images of both."""
    chosen = sorted(result.near_duplicates, key=lambda each: (-each.likeness, each.row))[:PAIRS]
    images = snapshot.images.loc[[row for each in chosen for row in (each.row, each.twin)]].drop_duplicates()
    try:
        small = thumbnail_of_each(read_images(source, images), _VALIDATED, _SIDE)
        shown = {sha: data_uri(jpeg) for sha, jpeg in small}
    except (BadInput, ObjectUnavailable):  # an image changed during validation, or decoders died
        return []
    return [
        {
            "likeness": each.likeness,
            "images": [
                {"name": image["image"], "split": image["split"], "thumbnail": shown[str(image["sha256"])]}
                for image in (snapshot.images.loc[each.row], snapshot.images.loc[each.twin])
            ],
        }
        for each in chosen
    ]
