"""How often captions say man for a woman or woman for a man (Hendricks et al., ECCV 2018, "Women also Snowboard")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.metrics.gendered_words import Gender, genders


def gender_errors(captions: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """The error rate of gendered words.

    A caption names a gender by a noun or adjective (`people.genders`; pronouns do not count). It is wrong where, for a
    gender it names, no reference names that one, or most of those references that name any name only the other. Words
    without gender are never wrong, so the rate is read together with `naming`.

    Returns `naming`, the number of captions that name a gender; `naming_share`, their share of all captions; and shares
    of those that name one: `error`, the wrong ones, and `opposite`, those of them where references do name a gender.
    Shares are in [0, 1], and 0 where there is nothing to count.
    """
    named = {image: gender_set for image, caption in captions.items() if (gender_set := genders(caption))}
    votes = {image: [gender_set for text in references[image] if (gender_set := genders(text))] for image in named}
    opposite = sum(_is_outvoted(gender_set, votes[image]) for image, gender_set in named.items())
    unsupported = sum(not vote for vote in votes.values())
    return {
        "naming": len(named),
        "naming_share": len(named) / max(1, len(captions)),
        "error": (opposite + unsupported) / max(1, len(named)),
        "opposite": opposite / max(1, len(named)),
    }


def _is_outvoted(named: set[Gender], votes: Sequence[set[Gender]]) -> bool:
    return any(2 * sum(gender in vote for vote in votes) < len(votes) for gender in named)
