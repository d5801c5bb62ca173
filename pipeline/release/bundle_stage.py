"""pack: make the bundle of a trained and evaluated model."""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.data.snapshot import read_images
from pipeline.imaging.decode import INTERPOLATION
from pipeline.imaging.sandbox import Work, pixels_of_each
from pipeline.metrics.normalisation import NORMALISATION
from pipeline.model.bundle import (
    CARD,
    CONFIDENCE,
    DECODER,
    ENCODER,
    ENGINES,
    GOLDEN,
    REFERENCE,
    VOCABULARY,
    BundleSettings,
    PixelSettings,
    read_bundle,
    seal,
    write_settings,
)
from pipeline.model.captioner import BundleCaptioner
from pipeline.model.int8_encoder import INT8_GRAPH, INT8_NUMBERS
from pipeline.model.interface import PinnedModel
from pipeline.model.vocabulary_binding import bind
from pipeline.release.int8_cost import int8_cost, require_tolerable
from pipeline.release.model_card import card_of
from pipeline.release.reference_stage import reference_of
from pipeline.storage.files import write_bytes, write_json, write_text
from pipeline.storage.stage_outputs import StageOutput
from pipeline.training.encoder_stage import load_encoder
from pipeline.training.loop import DECODER_WEIGHTS
from pipeline.training.run import TrainingRun

_VERSION = 5
GOLDEN_IMAGES = 3


def pack(run: TrainingRun) -> StageOutput:
    """The bundle as a stage's output, in the folder `bundle`; `figures.json` has its digest, and what int8 costs it."""
    is_int8 = run.settings.encoder.engine == "int8"

    def build(folder: Path) -> None:
        network = load_encoder(run.output("encoder"))
        cost = {"int8": int8_cost(run, network)} if is_int8 else {}
        if is_int8:
            require_tolerable(cost["int8"], run.settings.encoder.int8_tolerance)
        bundle = folder / "bundle"
        bundle.mkdir()
        network.backbone.save_weights(bundle / ENCODER)
        if is_int8:
            for name in (INT8_GRAPH, INT8_NUMBERS):
                shutil.copyfile(run.output("encoder").path / name, bundle / name)
        shutil.copyfile(run.output("refine").path / DECODER_WEIGHTS, bundle / DECODER)
        shutil.copyfile(run.output("adapt_vocabulary").path / "vocabulary.txt", bundle / VOCABULARY)
        bind(bundle / DECODER, bundle / VOCABULARY)
        shutil.copyfile(run.output("calibrate").path / CONFIDENCE, bundle / CONFIDENCE)
        write_settings(bundle, _bundle_settings(run, network.facts.side))
        write_json(bundle / REFERENCE, reference_of(run))
        write_text(bundle / CARD, card_of(run, cost))
        _write_golden(bundle, run, network.facts.side)
        write_json(folder / "figures.json", {"bundle_digest": seal(bundle)} | cost)

    shaping = run.settings.model_dump(
        mode="json", include={"decoding": True, "registry": {"model_name"}, "source": {"terms"}}
    )
    shaping |= {"int8_tolerance": run.settings.encoder.int8_tolerance} if is_int8 else {}
    return run.store.run("bundle", _VERSION, shaping, run.inputs("refine", "calibrate", "evaluate", "encoder"), build)


def _bundle_settings(run: TrainingRun, side: int) -> BundleSettings:
    grid = run.output("extract_features").figures()
    return BundleSettings(
        engine=ENGINES[run.settings.encoder.engine],
        encoder=run.settings.encoder.name,
        positions=grid["positions"],
        channels=grid["channels"],
        pixels=PixelSettings(side=side, fit=run.settings.encoder.fit, interpolation=INTERPOLATION),
        decoder=run.settings.decoder,
        decoding=run.settings.decoding,
        normalisation=NORMALISATION,
    )


def _write_golden(bundle: Path, run: TrainingRun, side: int) -> None:
    """A few test images, as the encoder sees them, with the captions this bundle gives them."""
    chosen = run.accepted.images_of("test").sort_values("sha256").head(GOLDEN_IMAGES)
    work = Work.within(run.limits, side, run.settings.encoder.fit)
    stack = [square for _, square in pixels_of_each(read_images(run.source, chosen), work)]
    for index, image in enumerate(stack):
        buffer = BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        write_bytes(bundle / GOLDEN / f"{index}.png", buffer.getvalue())
    captions = bundle / GOLDEN / "captions.json"
    write_json(captions, {})
    seal(bundle)
    sealed = read_bundle(bundle)
    captioner = BundleCaptioner(sealed, PinnedModel("", "", sealed.digest, sealed.settings.engine, ""))
    golden = enumerate(captioner.caption(np.stack(stack)))
    write_json(captions, {f"{i}.png": {"caption": item.text, "score": item.score} for i, item in golden})
