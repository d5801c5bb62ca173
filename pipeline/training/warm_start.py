"""Continue from a registered version: its words keep their ids, its weights are where training begins."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.errors import SettingsError
from pipeline.core.settings import DecoderSettings, Effect, settings_with
from pipeline.model.bundle import DECODER, ENCODER, SETTINGS, VOCABULARY, BundleSettings, read_bundle
from pipeline.model.interface import PinnedModel
from pipeline.model.model_uri import is_model_uri
from pipeline.model.vocabulary import Vocabulary
from pipeline.model.vocabulary_binding import check_bound
from pipeline.registry.cache import fetch_bundle
from pipeline.registry.promotions import Promotions
from pipeline.storage.files import read_json
from pipeline.storage.stage_outputs import StageOutput
from pipeline.training.run import TrainingRun

_VERSION = 1


def provide_start(run: TrainingRun) -> StageOutput | None:
    """Keep weights, vocabulary and settings of the version that `training.start_from` names; None without one."""
    uri = run.settings.training.start_from
    if not uri:
        return None
    pinned = Promotions(run.home).resolve(uri) if is_model_uri(uri) else _bare(uri)

    def build(folder: Path) -> None:
        bundle = fetch_bundle(run.home, pinned) if is_model_uri(uri) else read_bundle(Path(uri), pinned.digest)
        for name in (ENCODER, DECODER, VOCABULARY, SETTINGS):
            shutil.copyfile(bundle.path / name, folder / name)

    # Under the version's digest, so an alias that moves is another start.
    output = run.store.run("start", _VERSION, {"digest": pinned.digest}, {}, build)
    _check_alike(run, uri, _settings(output))
    return output


def load_initial_weights(decoder: Any, start: StageOutput) -> None:
    """Put a version's weights into a decoder that may know more words; the new ones keep their fresh weights."""
    from pipeline.model.network.decoder import Decoder

    settings = _settings(start)
    check_bound(start.path / DECODER, start.path / VOCABULARY, settings.bound)
    words = Vocabulary.read(start.path / VOCABULARY)
    before = Decoder(settings.decoder, len(words), settings.positions, settings.channels)
    before.build()
    before.load_weights(start.path / DECODER)
    for old, new in zip(before.weights, decoder.weights, strict=True):
        value = np.array(new)
        value[tuple(slice(0, size) for size in old.shape)] = np.asarray(old)
        new.assign(value)


def _bare(folder: str) -> PinnedModel:
    bundle = read_bundle(Path(folder))
    return PinnedModel("", "", bundle.digest, bundle.settings.engine, folder)


def _settings(start: StageOutput) -> BundleSettings:
    return BundleSettings.model_validate(read_json(start.path / SETTINGS))


def _check_alike(run: TrainingRun, uri: str, before: BundleSettings) -> None:
    from pipeline.model.network.encoder import architecture

    wanted, encoder = run.settings.decoder, run.settings.encoder
    shaping = sorted(set(DecoderSettings.model_fields) - settings_with(Effect.NOT_ON_SHAPES, DecoderSettings))
    pairs = {f"decoder.{name}": (getattr(before.decoder, name), getattr(wanted, name)) for name in shaping}
    pairs["encoder.name"] = before.encoder, encoder.name
    pairs["encoder.side"] = before.pixels.side, encoder.side or architecture(encoder.name).side
    pairs["encoder.fit"] = before.pixels.fit, encoder.fit
    for name, (was, now) in pairs.items():
        if was != now:
            raise SettingsError(
                f"training.start_from={uri} was trained with {name}={was}, and this training asks for {now}; "
                f"set {name}={was}, or leave training.start_from empty"
            )
