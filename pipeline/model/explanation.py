"""What a caption's words rest on: where the decoder looked, and which part of the image each word needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import SettingsError
from pipeline.imaging.decode import GREY
from pipeline.model.captioner import CAPTION_BATCH, BundleCaptioner, Networks
from pipeline.model.interface import Captioner
from pipeline.model.padded_batches import predict_padded

Maps = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Explanation:
    """Two maps a word, float32 [words, rows, columns], over the cells of the encoder's grid."""

    words: tuple[str, ...]  # of the caption, `<end>` left out
    log_probabilities: npt.NDArray[np.float32]  # float32 [words], in nats, of each word after those before it
    # Where the decoder looked when it wrote the word: at least 0, with a sum of at most 1; zeros without attention.
    attention: Maps
    # By how many nats the word's log-probability falls when the cell is greyed (Zeiler and Fergus, ECCV 2014); below 0
    # where the cell spoke against the word.
    occlusion: Maps


class Explainer:
    """Explains captions to the networks that read the image."""

    def __init__(self, networks: Networks) -> None:
        from pipeline.model.network.teacher_forcing import TeacherForcedScorer

        self._encoder, self._vocabulary = networks.encoder, networks.vocabulary
        self._scorer = TeacherForcedScorer(networks.decoder)
        self._positions = networks.encoder.facts.positions
        self._side = round(self._positions**0.5)

    def explain(self, pixels: npt.NDArray[np.uint8], caption: str) -> Explanation:
        """Explain any words about an image, uint8 [side, side, 3]; those it does not know as `[UNK]`."""
        tokens = self._vocabulary.encode(caption, len(caption))[1:-1]  # the words alone
        images = _with_each_cell_greyed(pixels, self._positions)
        features = predict_padded(self._encoder, CAPTION_BATCH, images)  # [1 + positions, positions, channels]
        rows = np.tile(np.array(tokens, np.int32), (len(features), 1))  # [images, words]
        scores = self._scorer.predict_on_batch((features, rows))
        log_probabilities = np.asarray(scores.log_probabilities)  # [images, words]
        attention = np.asarray(scores.attention)[0]  # [words, positions], to the first image
        return Explanation(
            words=tuple(self._vocabulary.words[token] for token in tokens),
            log_probabilities=log_probabilities[0],
            attention=attention.reshape(-1, self._side, self._side),
            occlusion=(log_probabilities[0] - log_probabilities[1:]).T.reshape(-1, self._side, self._side),
        )


def explain(captioner: Captioner, pixels: npt.NDArray[np.uint8], caption: str | None = None) -> Explanation:
    """Explain any words, or the model's own, about uint8 [side, side, 3]; SettingsError for an external model."""
    if not isinstance(captioner, BundleCaptioner):
        raise SettingsError(
            f"model {captioner.name} version {captioner.version} runs on {captioner.engine} and shows nothing but its "
            "captions; name a model that Nightcap trained"
        )
    text = captioner.caption(pixels[None])[0].text if caption is None else caption
    return Explainer(captioner.networks).explain(pixels, text)


def _with_each_cell_greyed(pixels: npt.NDArray[np.uint8], positions: int) -> npt.NDArray[np.uint8]:
    """The image, then once for each cell without it: uint8 [1 + positions, side, side, 3]."""
    cells = round(positions**0.5)
    edges = np.linspace(0, len(pixels), cells + 1).round().astype(int)
    copies = np.repeat(pixels[None], 1 + positions, axis=0)
    for position in range(positions):
        row, column = divmod(position, cells)
        copies[1 + position, edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = GREY
    return copies
