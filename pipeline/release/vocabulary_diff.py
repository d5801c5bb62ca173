"""A new vocabulary beside the champion's: words added and lost, and those that published captions use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import pyarrow.compute as pc

from pipeline.core.errors import BundleRejected, ModelNotFound
from pipeline.model.vocabulary import SPECIAL, Vocabulary
from pipeline.registry.cache import fetch_bundle
from pipeline.registry.promotions import Promotions
from pipeline.storage.tables import MODEL, CaptionTable
from pipeline.storage.tables.schema import USABLE
from pipeline.training.run import TrainingRun
from pipeline.training.vocabulary_stage import coverage

SHOWN = 200  # words that are listed of each kind
COUNTS = ("added", "lost", "moved", "lost_published", "champion_coverage")  # logged as metrics


def compared_words(run: TrainingRun) -> dict[str, Any]:
    """The run's vocabulary compared with the champion's; see `compare`. Only `size` where there is no champion."""
    new = Vocabulary.read(run.output("adapt_vocabulary").path / "vocabulary.txt")
    champion = Promotions(run.home).champion(run.settings.registry.model_name)
    if champion is None:
        return {"size": len(new)}
    try:
        old = fetch_bundle(run.home, champion).vocabulary
    except (BundleRejected, ModelNotFound) as error:  # no bundle of ours, or MLflow has lost it
        return {"size": len(new), "champion": champion.version, "unreadable": str(error)}
    lost = frozenset(old.words) - frozenset(new.words)
    published = published_words(CaptionTable(run.home.captions), lost)
    captions = list(run.accepted.captions_of("val")["caption"])
    return {"champion": champion.version, **compare(new, old, captions, published)}


def compare(new: Vocabulary, old: Vocabulary, captions: Sequence[str], published: Counter[str]) -> dict[str, Any]:
    """The differences of two vocabularies; `captions` are of the validation split, `published` of lost words.

    Returns:
        size and champion_size; added, lost, moved (kept under another id) and lost_published (lost words that
        published captions have), all counts; coverage and champion_coverage of the captions; added_words and
        lost_words, the most frequent first, cut at 200; and lost_published_words with their occurrences.
    """
    added = [word for word in new.words if word not in old.ids]
    lost = [word for word in old.words if word not in new.ids]
    moved = [word for word in new.words[len(SPECIAL) :] if word in old.ids and old.ids[word] != new.ids[word]]
    return {
        "size": len(new),
        "champion_size": len(old),
        "added": len(added),
        "lost": len(lost),
        "moved": len(moved),
        "lost_published": len(published),
        "coverage": coverage(new, captions)["val_coverage"],
        "champion_coverage": coverage(old, captions)["val_coverage"],
        "added_words": added[:SHOWN],
        "lost_words": lost[:SHOWN],
        "lost_published_words": published.most_common(SHOWN),
    }


def published_words(table: CaptionTable, words: Collection[str]) -> Counter[str]:
    """Occurrences of words in the captions that models wrote and nobody withdrew; few rows in memory at once."""
    occurrences: Counter[str] = Counter()
    for batch in table.batches(USABLE & (pc.field("source") == MODEL), ["caption"]) if words else ():
        counts = pc.value_counts(pc.list_flatten(pc.split_pattern(pc.drop_null(batch["caption"]), " ")))
        occurrences.update({row["values"]: row["counts"] for row in counts.to_pylist() if row["values"] in words})
    return occurrences
