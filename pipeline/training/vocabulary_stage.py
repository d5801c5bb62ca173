"""adapt_vocabulary: which words the model may say, from training captions only."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.core.errors import DatasetRejected
from pipeline.core.languages import SPACELESS, contradiction, detected, scripts_in
from pipeline.core.settings import VocabularySettings
from pipeline.metrics.normalisation import NORMALISATION, is_normalised
from pipeline.model.vocabulary import SPECIAL, Vocabulary, standardize
from pipeline.storage.files import write_json
from pipeline.storage.stage_outputs import StageOutput
from pipeline.training.run import TrainingRun

log = logging.getLogger(__name__)

_VERSION = 1
_LEAST_COVERAGE = 0.5  # of the training captions' words


def adapt_vocabulary(run: TrainingRun) -> StageOutput:
    """Write `vocabulary.txt` and figures: size, and coverage of the validation captions."""
    settings = run.settings.vocabulary
    captions = run.accepted.captions_of("train")["caption"]
    inputs = run.inputs("validate", *({"start"} & run.done.keys()))
    if any(map(is_normalised, captions)):  # outputs of captions that are as they were stay valid
        inputs |= {"normalisation": str(NORMALISATION)}

    def build(folder: Path) -> None:
        language = _language(run.settings.source.language, captions)
        initial = Vocabulary.read(run.output("start").path / "vocabulary.txt") if "start" in run.done else None
        vocabulary = adapt(settings, captions, initial)
        _check_coverage(settings, coverage(vocabulary, captions))
        vocabulary.write(folder / "vocabulary.txt")
        figures = coverage(vocabulary, run.accepted.captions_of("val")["caption"])
        write_json(folder / "figures.json", figures | language)

    return run.store.run("adapt_vocabulary", _VERSION, settings.model_dump(mode="json"), inputs, build)


def adapt(settings: VocabularySettings, captions: Iterable[str], initial: Vocabulary | None = None) -> Vocabulary:
    """The most frequent words, by Keras' `TextVectorization`, after an initial vocabulary's, which keep their ids."""
    from pipeline.model.network import keras

    initial = initial or Vocabulary.of(())
    texts = [standardize(caption) for caption in captions]
    counts = Counter(word for text in texts for word in text.split())
    if not counts:
        raise DatasetRejected("the training captions hold no word; check the source's captions")
    ordinary = settings.vocabulary_size - len(SPECIAL)
    # TextVectorization counts its own two special words, padding and unknown.
    layer = keras.layers.TextVectorization(max_tokens=ordinary + 2, standardize=None, split="whitespace")
    layer.adapt(texts, batch_size=4096)
    words = [str(word) for word in layer.get_vocabulary(include_special_tokens=False)]
    new = [word for word in words if counts[word] >= settings.min_count and word not in initial.ids]
    return Vocabulary((*initial.words, *new[: max(0, settings.vocabulary_size - len(initial))]))


def _language(given: str | None, captions: Iterable[str]) -> dict[str, str | None]:
    """Figures of the captions' language; DatasetRejected where the given one has another script."""
    scripts = scripts_in(captions)
    if given and (reason := contradiction(given, scripts)):
        raise DatasetRejected(
            f"source.language is {given}, but of the training captions {reason}; correct the setting or leave it empty, or "
            f"check source.train_annotations"
        )
    code, how = given or detected(scripts), "given" if given else "detected"
    script = max(scripts, key=lambda name: scripts[name], default="none").title()
    log.info("adapt_vocabulary: language of the captions: %s (%s), script: %s", code or "not told apart", how, script)
    if code in SPACELESS:
        log.info("adapt_vocabulary: %s has no spaces: each character is a word", SPACELESS[code])
    spaceless = {"characters_as_words": SPACELESS[code]} if code in SPACELESS else {}
    return {"language": code, "language_is": how, "script": script, **spaceless}


def _check_coverage(settings: VocabularySettings, figures: dict[str, Any]) -> None:
    """Raise DatasetRejected, before features are extracted, where a model could hardly say a caption."""
    if figures["val_coverage"] < _LEAST_COVERAGE:
        unknown = ", ".join(f"{word!r} {count}" for word, count in figures["most_frequent_unknown"][:5])
        raise DatasetRejected(
            f"the vocabulary's {figures['size'] - len(SPECIAL)} words are {figures['val_coverage']:.0%} of those in the "
            f"training captions, and less than {_LEAST_COVERAGE:.0%} makes no captions; the most frequent that it lacks: "
            f"{unknown}; lower vocabulary.min_count ({settings.min_count}), raise vocabulary.vocabulary_size "
            f"({settings.vocabulary_size}), or add captions"
        )


def coverage(vocabulary: Vocabulary, captions: Iterable[str]) -> dict[str, Any]:
    """Size, share of known words, and the most frequent unknown ones."""
    counts = Counter(word for caption in captions for word in standardize(caption).split())
    unknown = Counter({word: count for word, count in counts.items() if word not in vocabulary.ids})
    total = max(1, counts.total())
    return {
        "size": len(vocabulary),
        "val_words": counts.total(),
        "val_coverage": 1 - unknown.total() / total,
        "val_out_of_vocabulary": unknown.total() / total,
        "most_frequent_unknown": unknown.most_common(20),
    }
