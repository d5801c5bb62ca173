"""An encoder that computes in 8 bits, by OpenVINO: `encoder.int8.xml` with its numbers in `encoder.int8.bin`."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, Final
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import BundleRejected, SettingsError

INT8_GRAPH: Final = "encoder.int8.xml"
INT8_NUMBERS: Final = "encoder.int8.bin"
_REMEDY: Final = "install nightcap[int8]"


class Int8Encoder:
    """Pixels uint8 [batch, side, side, 3] to float32 features [batch, positions, channels]; see `Encoder`."""

    def __init__(self, graph: Path, name: str, batch: int) -> None:
        from pipeline.model.network.encoder import architecture

        core = load_openvino().Core()
        try:
            model = core.read_model(graph)
            _, side, *_ = model.input(0).get_partial_shape().get_min_shape()
            model.reshape([batch, side, side, 3])
            # What stays float must not become bfloat16 on the processors that have it: captions would differ.
            exact = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
            self._compiled, self._alone = core.compile_model(model, "CPU", exact), Lock()
            _, positions, channels = model.output(0).shape
            self.facts = replace(architecture(name), side=side, positions=positions, channels=channels)
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise BundleRejected(f"{graph} is no encoder that OpenVINO reads: {reason}") from error

    def predict_on_batch(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Features of a batch."""
        with self._alone:  # OpenVINO's request serves one caller at a time
            features: npt.NDArray[np.float32] = self._compiled(pixels)[0].copy()
        return features


def load_openvino() -> Any:
    """The library, which then sends no figures of its use to anybody; SettingsError where it is not installed."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # as if it were not installed
    try:
        import openvino
    except ImportError as error:
        raise SettingsError(
            f"an encoder of 8 bits is computed by OpenVINO, which is not installed; {_REMEDY}"
        ) from error
    return openvino


def check_graph(path: Path) -> None:
    """Raise ValueError for a file that is not OpenVINO's XML, or asks for operations other than OpenVINO's own."""
    text = path.read_text(encoding="utf-8")
    if "<!" in text:
        raise ValueError("it declares entities or hides text, which no graph of OpenVINO does")
    try:
        net = ElementTree.fromstring(text)  # noqa: S314  # without declarations nothing expands
    except ElementTree.ParseError as error:
        raise ValueError(f"it is no graph of OpenVINO: {error}") from error
    if net.tag != "net":
        raise ValueError(f"it is no graph of OpenVINO, but <{net.tag}>")
    for layer in net.iter("layer"):
        if not re.fullmatch(r"opset\d+", layer.get("version", "")):
            raise ValueError(f"layer {layer.get('name')!r} is no operation of OpenVINO's own")
