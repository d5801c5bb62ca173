"""All scores of a set of captions in one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pipeline.core.errors import SettingsError
from pipeline.metrics.bleu import Matches, match, total
from pipeline.metrics.cider import DocumentFrequencies, cider_d
from pipeline.metrics.health import Health, caption_health
from pipeline.metrics.intervals import intervals
from pipeline.metrics.meteor import meteor as meteor_score
from pipeline.metrics.rouge import rouge_l
from pipeline.metrics.tokenizer import tokenize

Scores = dict[str, float | None]


@dataclass(frozen=True)
class Report:
    """Scores of a set of captions."""

    images: int  # with references
    scores: Scores  # `bleu_1` to `bleu_4`, `meteor` (None without it) and `rouge_l` in [0, 1], `cider_d` in [0, 10]
    health: Health
    missing: tuple[str, ...]  # images without a caption, which score 0
    per_image: dict[str, dict[str, float]]  # `bleu_4`, `rouge_l` and `cider_d`
    matches: tuple[Matches, ...]  # of each image, for BLEU

    def as_json(self) -> dict[str, Any]:
        """The output of `nightcap evaluate` and `nightcap score`."""
        return {
            "images": self.images,
            "scores": dict(self.scores),
            "intervals": {name: list(ends) for name, ends in intervals(self).items()},
            "health": self.health.as_dict(),
            "missing": len(self.missing),
        }


def score_captions(
    references: Mapping[str, Sequence[str]],
    captions: Mapping[str, str],
    meteor: bool = True,
    frequencies: DocumentFrequencies | None = None,
) -> Report:
    """Score raw captions against the raw references of their images; an image without a caption scores 0.

    METEOR takes Java some seconds. The frequencies for CIDEr-D are by default those of the references. Raises
    SettingsError if there are no references, an image has none, or a caption's image is unknown.
    """
    _check(references, captions)
    own = [[tokenize(text) for text in texts] for texts in references.values()]
    tokens = [tokenize(captions.get(image, "")) for image in references]
    pairs = list(zip(own, tokens, strict=True))
    vector = (frequencies or DocumentFrequencies.of(own)).vector
    rows = [match(*pair) for pair in pairs]
    rouge = [rouge_l(*pair) for pair in pairs]
    cider = [cider_d([vector(text) for text in texts], vector(caption)) for texts, caption in pairs]
    scores: Scores = {f"bleu_{order}": score for order, score in enumerate(total(rows).bleu(), start=1)}
    scores["meteor"] = meteor_score(own, tokens) if meteor else None
    scores |= {"rouge_l": fmean(rouge), "cider_d": fmean(cider)}
    return Report(
        images=len(references),
        scores=scores,
        health=caption_health(list(captions.values())),
        missing=tuple(image for image in references if image not in captions),
        per_image={
            image: {"bleu_4": row.bleu()[-1], "rouge_l": rouge_score, "cider_d": cider_score}
            for image, row, rouge_score, cider_score in zip(references, rows, rouge, cider, strict=True)
        },
        matches=tuple(rows),
    )


def leave_one_out(references: Mapping[str, Sequence[str]]) -> Scores:
    """Scores of people: the first caption of each image against its others; raises SettingsError if there are none."""
    if alone := [image for image, texts in references.items() if len(texts) < 2]:
        raise SettingsError(
            f"{len(alone)} images have fewer than two reference captions ({_some(alone)}); "
            "leaving one out needs two or more: leave these images out"
        )
    others = {image: texts[1:] for image, texts in references.items()}
    return score_captions(others, {image: texts[0] for image, texts in references.items()}).scores


def _check(references: Mapping[str, Sequence[str]], captions: Mapping[str, str]) -> None:
    if not references:
        raise SettingsError("there are no reference captions to score against; name an annotation file that has some")
    if bare := [image for image, texts in references.items() if not texts]:
        raise SettingsError(f"{len(bare)} images have no reference caption ({_some(bare)}); leave them out")
    if unknown := [image for image in captions if image not in references]:
        raise SettingsError(
            f"{len(unknown)} captions are of images without references ({_some(unknown)}); "
            "leave them out, or name the annotation file that has them"
        )


def _some(images: Sequence[str]) -> str:
    return ", ".join(repr(image) for image in images[:3]) + (", .." if len(images) > 3 else "")
