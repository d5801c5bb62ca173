"""Make an encoder of 8 bits from a float one, with what training images show it of the values it meets."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import SettingsError
from pipeline.model.int8_encoder import INT8_GRAPH, load_openvino
from pipeline.model.network.encoder import Encoder
from pipeline.model.network.frozen import FrozenEncoder

CALIBRATION_IMAGES: Final = 300


def quantise(
    encoder: Encoder, images: Sequence[npt.NDArray[np.uint8]], folder: Path, float_layers: str | None = None
) -> None:
    """Write both files of an `Int8Encoder`, calibrated on images uint8 [side, side, 3]; needs NNCF.

    `float_layers` is a regular expression; convolutions whose whole name it matches stay float. Their names are
    `convolution_0`, `convolution_1` and so on, in the order in which they are computed.
    """
    openvino = load_openvino()
    model = openvino.convert_model(FrozenEncoder(encoder, 1).graph)
    convolutions = [each for each in model.get_ordered_ops() if each.get_type_name().endswith("Convolution")]
    for number, convolution in enumerate(convolutions):
        convolution.set_friendly_name(f"convolution_{number}")
    with redirect_stdout(sys.stderr):  # NNCF tells its progress, and stdout is for results
        quantised = _quantised(model, images, float_layers)
    openvino.save_model(quantised, folder / INT8_GRAPH, compress_to_fp16=False)


def _quantised(model: Any, images: Sequence[npt.NDArray[np.uint8]], float_layers: str | None) -> Any:
    try:
        import nncf
    except ImportError as error:
        raise SettingsError("encoder.engine=int8 needs NNCF to train; install nightcap[int8]") from error
    try:
        return nncf.quantize(
            model,
            nncf.Dataset([image[None] for image in images]),
            subset_size=len(images),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(patterns=[float_layers]) if float_layers else None,
            # Weights of 7 bits: sums of 8 by 8 bits overflow on processors without VNNI, where captions would differ.
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE),
        )
    except nncf.ValidationError as error:
        raise SettingsError(
            f"encoder.float_layers={float_layers!r} matches none of the encoder's convolutions, convolution_0 and so on"
        ) from error
