"""Settings of a training, in groups; a field's description is its documentation everywhere."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.core.settings.base import Address, Effect, Group, PathMark
from pipeline.core.settings.data import SourceSettings, ValidationSettings, VocabularySettings

FREQUENT_WORDS, DRAWN_WORDS = 2000, 500  # of a sampled output: the first of the vocabulary, and some of the others

EncoderName = Literal["scenes", "inception_resnet_v2", "resnet50", "mobilenet", "xception"]


class EncoderSettings(Group):
    """The frozen image network."""

    name: EncoderName = Field("inception_resnet_v2", description="scenes (built in) or a keras.applications network.")
    weights: Annotated[Address, PathMark(published=True, words=("imagenet",))] = Field(
        "imagenet", description="imagenet, or the path of a weights file without top; ignored for scenes."
    )
    weights_sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 that the weights file must have, or with imagenet their values, as a training's log says it; "
        "empty to accept any.",
    )
    fit: Literal["squash", "pad", "crop"] = Field("squash", description="How an image becomes square.")
    side: int | None = Field(
        None,
        ge=96,
        le=1024,
        description="Side in pixels that images are scaled to; empty for what the network is known by (224 or 299). "
        "Networks often see more in enlarged images, at a cost that grows with the square.",
    )
    engine: Literal["tensorflow", "int8"] = Field(
        "tensorflow",
        description="What computes it: tensorflow in float32, or OpenVINO in 8 bits (int8), several times as fast; "
        "int8 needs the extra int8.",
    )
    float_layers: str | None = Field(
        None,
        description="int8: a regular expression. Convolutions are convolution_0, convolution_1 and so on, in the order "
        "of computing; those it matches stay float. Empty for none.",
    )
    int8_tolerance: Annotated[float, Effect.NOT_ON_LEARNING] = Field(
        0.005,
        ge=0,
        le=10,
        description="int8: most CIDEr-D (0 to 10) that captions of validation images may lose to the same decoder's with "
        "the encoder in float32; a version that loses more, and not by chance, is not packed.",
    )
    batch_size: Annotated[int, Effect.NOT_ON_LEARNING] = Field(32, ge=1, le=1024, description="Images encoded at once.")
    views: int = Field(
        1, ge=1, le=8, description="Views of each training image to learn from: whole, mirrored, then crops."
    )
    shards: Annotated[int, Effect.NOT_ON_LEARNING] = Field(
        4, ge=1, le=256, description="Parallel parts of feature extraction in the DAG."
    )
    epochs: int = Field(12, ge=1, le=200, description="scenes: epochs of training the small encoder.")

    @field_validator("float_layers")
    @classmethod
    def _is_regular_expression(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        return pattern

    @model_validator(mode="after")
    def _scenes_have_one_side(self) -> Self:
        if self.name == "scenes" and self.side is not None:
            raise ValueError(
                f"encoder.side={self.side}: the scenes encoder takes 112 pixels only; leave encoder.side empty"
            )
        return self


class DecoderSettings(Group):
    """The recurrent network that writes the words."""

    fusion: Literal["late", "early", "hybrid"] = Field(
        "hybrid", description="Where the image enters: late after the GRU (attention), early before it, hybrid both."
    )
    positions: bool = Field(True, description="Tell the decoder where in the image each feature lies.")
    standardised: bool = Field(
        True, description="Features and word vectors begin with unit variance; false leaves both as Keras gives them."
    )
    gate: bool = Field(False, description="Let attention look away from the image, at what was written so far.")
    tied: bool = Field(False, description="Words are written with the vectors they are read by; needs embedding.")
    embedding: int = Field(512, ge=8, le=4096, description="Width of a word vector.")
    units: int = Field(512, ge=8, le=4096, description="Width of the GRU's state.")
    dropout: Annotated[float, Effect.NOT_ON_SHAPES] = Field(
        0.3, ge=0, lt=1, description="Share of activations dropped in training."
    )


class TrainingSettings(Group):
    """How the decoder is fitted."""

    seed: int = Field(1, ge=0, lt=2**32, description="Seed of weights, order and dropout.")
    epochs: int = Field(20, ge=1, le=1000, description="Most epochs.")
    batch_size: int = Field(16, ge=1, le=8192, description="Images a step, each with all its captions.")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Peak learning rate of Adam.")
    warmup_share: float = Field(0.05, ge=0, lt=1, description="Share of all steps in which the learning rate rises.")
    decay: bool = Field(True, description="The learning rate then falls along a cosine; false keeps it.")
    clip_norm: float | None = Field(5.0, gt=0, description="Largest global norm of a step's gradient; empty for any.")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Share of the target spread over all words.")
    output: Literal["exact", "sampled"] = Field(
        "exact",
        description="How a step's loss weighs the words not said: exact takes all; sampled the 2,000 most frequent and "
        "500 drawn from the others, where there are more. Judging and the second stage are exact.",
    )
    patience: int = Field(3, ge=1, description="Epochs without better validation captions (CIDEr-D) before stopping.")
    max_words: int = Field(
        30,
        ge=3,
        le=200,
        description="Words of a caption that are trained on; the rest is cut, and what is left counts as a whole caption, so "
        "a number below that of many captions teaches to break off.",
    )
    average: float = Field(
        0.0, ge=0, lt=1, description="Decay of the moving average of the weights that is kept; 0 keeps the last ones."
    )
    checkpoint_minutes: float = Field(
        5.0, ge=0, le=1440, description="Minutes between checkpoints within an epoch; 0 writes one after every step."
    )
    corrections_weight: int = Field(
        3, ge=1, le=100, description="How often a corrected image of train is learnt from in an epoch; others once."
    )
    start_from: Annotated[Address | None, PathMark(file_relative=False, published=True)] = Field(
        None, description="A registered version to continue from, such as models:/captioner@champion; empty for none."
    )

    def samples_output(self, words: int) -> bool:
        """Whether a step's loss is sampled with a vocabulary of so many words."""
        return self.output == "sampled" and words > FREQUENT_WORDS + DRAWN_WORDS


class SelfCriticalSettings(Group):
    """The second stage of training, on the reward of whole captions (Rennie et al., CVPR 2017)."""

    epochs: int = Field(0, ge=0, le=1000, description="Most epochs; 0 leaves the stage out.")
    batch_size: int = Field(16, ge=1, le=8192, description="Images a step.")
    samples: int = Field(5, ge=2, le=50, description="Captions drawn for each image; they are each other's baseline.")
    learning_rate: float = Field(5e-5, gt=0, le=1, description="Learning rate of Adam.")
    bleu_weight: float = Field(0.0, ge=0, le=10, description="Weight of BLEU-4 beside CIDEr-D in the reward.")
    likelihood_weight: float = Field(
        0.0, ge=0, le=1, description="Share of the first stage's loss, which holds captions to people's wording."
    )
    patience: int = Field(4, ge=1, description="Epochs without better validation captions (CIDEr-D) before stopping.")


class DecodingSettings(Group):
    """How words are chosen."""

    method: Literal["greedy", "beam", "sample"] = Field("beam", description="greedy, beam, or seeded top-k sampling.")
    beam_width: int = Field(3, ge=1, le=20, description="beam: hypotheses kept.")
    length_power: float = Field(
        1.0, ge=0, le=2, description="beam: hypotheses are ranked by log-probability divided by length to this power."
    )
    rare_words: float = Field(
        0.0,
        ge=0,
        le=1,
        description="How far rarer words are favoured: this times the logarithm of a word's rank by frequency is added to its logit; words that `training.start_from` met first in the new data rank last.",
    )
    min_words: int = Field(1, ge=1, le=50, description="Shortest caption in words.")
    block_repeats: bool = Field(
        False,
        description="Never write one word twice in a row, nor the same pair of words twice anywhere in a caption.",
    )
    top_k: int = Field(10, ge=1, description="sample: most likely words drawn from.")
    temperature: float = Field(1.0, gt=0, le=10, description="sample: above 1 flatter, below 1 sharper.")
    seed: int = Field(0, ge=0, description="sample: seed.")
    max_words: int = Field(25, ge=1, le=200, description="Longest caption in words.")

    @model_validator(mode="after")
    def _lengths_leave_room(self) -> Self:
        if self.min_words > self.max_words:
            raise ValueError(
                f"decoding.min_words={self.min_words} is above decoding.max_words={self.max_words}, so no caption"
                " is long and short enough; lower the first or raise the second"
            )
        return self


class EvaluationSettings(Group):
    """How the model is evaluated beyond its scores."""

    images: int = Field(
        500,
        ge=1,
        description="Images of val and of test, taken by digest, for what captions each several times (degraded images).",
    )


class GateSettings(Group):
    """When a version may caption in the champion's place; points are hundredths of CIDEr-D, as tables show it."""

    # A slice of at least so many images refuses a version that is surely worse there, by more than these points. From so
    # many corrected images on, being better there is enough, if elsewhere it surely loses fewer than these points.
    constants: ClassVar = {
        "slice_images": 100,
        "slice_drop_points": 5.0,
        "corrected_images": 30,
        "elsewhere_drop_points": 3.0,
    }

    approval: Literal["automatic", "person"] = Field(
        "automatic", description="person: what the gate lets pass is promoted when a person has approved it."
    )
    margin_points: float = Field(
        0.0, ge=-100, le=100, description="Points by which a version must surely beat the champion on the test split."
    )
    confidence: float = Field(
        0.95,
        gt=0.5,
        lt=1,
        description="How sure, of one-sided bounds: that none of all attempts on one champion is promoted by chance.",
    )
    resamples: int = Field(2000, ge=100, le=100_000, description="Resamples of the paired bootstrap.")
    first_points: float = Field(
        5.0,
        ge=0,
        le=1000,
        description="Fewest points of a first version, whose captions must also fit their own images better than others; "
        "0 for no such floor.",
    )
    max_faulty_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Largest share of test captions that break off, repeat themselves, hold [UNK] or are empty, each of "
        "these by itself; or the champion's share, if that is larger.",
    )
    max_same_share: float = Field(
        0.25, ge=0, le=1, description="Largest share of test images with one and the same caption; or the champion's."
    )
    max_chair: float = Field(
        0.5, ge=0, le=1, description="Largest share of named objects that are not there (CHAIR), of a first version."
    )
    max_chair_rise: float = Field(0.02, ge=0, le=1, description="By how much that share may be above the champion's.")
    max_withheld_share: float = Field(
        0.3, ge=0, le=1, description="Largest share of test captions that the version itself would withhold."
    )
    sample_images: int = Field(64, ge=1, le=10_000, description="Images that a version captions on trial.")
    max_seconds_per_image: float = Field(5.0, gt=0, description="Longest time an image of the trial, in the mean.")
    max_memory_gib: float = Field(8.0, gt=0, description="Most memory of the process of the trial.")
    trial_timeout_s: int = Field(900, ge=10, description="Seconds after which a trial is given up.")


class RegistrySettings(Group):
    """Where the model is registered."""

    model_name: str = Field("captioner", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Registered model's name.")
    experiment: str = Field("captioner", min_length=1, max_length=64, description="MLflow experiment of the runs.")


class TrainSettings(Group):
    """Everything `train_captioner` needs."""

    source: SourceSettings = SourceSettings()
    validation: ValidationSettings = ValidationSettings()
    vocabulary: VocabularySettings = VocabularySettings()
    encoder: EncoderSettings = EncoderSettings()
    decoder: DecoderSettings = DecoderSettings()
    training: TrainingSettings = TrainingSettings()
    self_critical: SelfCriticalSettings = SelfCriticalSettings()
    decoding: DecodingSettings = DecodingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    gate: Annotated[GateSettings, Effect.NOT_ON_LEARNING] = GateSettings()
    registry: Annotated[RegistrySettings, Effect.NOT_ON_LEARNING] = RegistrySettings()
