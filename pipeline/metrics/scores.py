"""All scores of a set of captions in one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pipeline.core.errors import SettingsError
from pipeline.metrics.bleu import match, total
from pipeline.metrics.cider import DocumentFrequencies, cider_d
from pipeline.metrics.health import Health, caption_health
from pipeline.metrics.meteor import meteor as meteor_score
from pipeline.metrics.ngrams import TokenSequence
from pipeline.metrics.rouge import rouge_l
from pipeline.metrics.tokenizer import tokenize

Scores = dict[str, float | None]


@dataclass(frozen=True)
class Report:
    """Scores of a set of captions.

    Attributes:
        images: number of images with references.
        scores: `bleu_1` to `bleu_4`, `meteor` (None if it cannot be computed) and `rouge_l` in [0, 1],
            `cider_d` in [0, 10].
        health: of the captions.
        missing: images without a caption, which score 0.
        per_image: `bleu_4`, `rouge_l` and `cider_d` of each image.
    """

    images: int
    scores: Scores
    health: Health
    missing: tuple[str, ...]
    per_image: dict[str, dict[str, float]]

    def as_json(self) -> dict[str, Any]:
        """The output of `nightcap evaluate` and `nightcap score`."""
        return {
            "images": self.images,
            "scores": dict(self.scores),
            "health": self.health.as_dict(),
            "missing": len(self.missing),
        }


def score_captions(
    references: Mapping[str, Sequence[str]],
    captions: Mapping[str, str],
    meteor: bool = True,
    frequencies: DocumentFrequencies | None = None,
) -> Report:
    """Score captions against the references of their images.

    Args:
        references: raw reference captions of each image, at least one each.
        captions: one raw caption per image; an image without one scores 0.
        meteor: whether to run METEOR, too, which takes Java some seconds.
        frequencies: document frequencies for CIDEr-D; by default those of `references`.

    Raises:
        SettingsError: there are no references, an image has none, or a caption's image is unknown.
    """
    _check(references, captions)
    own = [[tokenize(text) for text in references[image]] for image in references]
    tokens = [tokenize(captions.get(image, "")) for image in references]
    rows = [match(*pair) for pair in zip(own, tokens, strict=True)]
    rouge = [rouge_l(*pair) for pair in zip(own, tokens, strict=True)]
    cider = _cider(own, tokens, frequencies or DocumentFrequencies.of(own))
    scores: Scores = {f"bleu_{order}": score for order, score in enumerate(total(rows).bleu(), start=1)}
    scores |= {
        "meteor": meteor_score(own, tokens) if meteor else None,
        "rouge_l": fmean(rouge),
        "cider_d": fmean(cider),
    }
    return Report(
        images=len(references),
        scores=scores,
        health=caption_health(list(captions.values())),
        missing=tuple(image for image in references if image not in captions),
        per_image={
            image: {"bleu_4": row.bleu()[-1], "rouge_l": rouge_score, "cider_d": cider_score}
            for image, row, rouge_score, cider_score in zip(references, rows, rouge, cider, strict=True)
        },
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


def _cider(
    references: Sequence[Sequence[TokenSequence]], captions: Sequence[TokenSequence], frequencies: DocumentFrequencies
) -> list[float]:
    return [
        cider_d([frequencies.vector(reference) for reference in own], frequencies.vector(caption))
        for own, caption in zip(references, captions, strict=True)
    ]


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
