"""The MLflow pyfunc around a bundle, as code: `mlflow.pyfunc.load_model` and `mlflow models serve`.

Columns in: `image` (encoded bytes) or `path` (a plain local file, in NIGHTCAP_ROOTS if that is set; refused unless
NIGHTCAP_ALLOW_PATHS=1). Images are decoded in limited processes.
Columns out: `caption`, `score`, `confidence` (estimated CIDEr-D), `reason` (why there is no caption; empty otherwise).
"""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow.pyfunc.model import PythonModel

from pipeline.core.environment import ALLOW_PATHS, Home
from pipeline.core.errors import BadImage, SettingsError
from pipeline.core.parallel import in_parallel
from pipeline.imaging.decode import ImageLimits
from pipeline.imaging.sandbox import PROCESSES, Decoders, Work
from pipeline.model.bundle import read_bundle
from pipeline.model.captioner import BundleCaptioner
from pipeline.model.image_file import read_image_file
from pipeline.model.interface import PinnedModel

NAN = float("nan")


class CaptionModel(PythonModel):
    """Captions images that come as rows of a table."""

    def load_context(self, context: Any) -> None:
        """Check the bundle against its digests, of which the list's own was logged beside it, and load it."""
        logged = context.model_config or {}  # none in versions of format 2
        bundle = read_bundle(Path(context.artifacts["bundle"]), logged.get("bundle_digest"))
        self.captioner = BundleCaptioner(bundle, PinnedModel("pyfunc", "", bundle.digest, bundle.settings.engine, ""))

    @cached_property
    def decoders(self) -> Decoders:
        """Started with the first image, and ended with the model."""
        return Decoders(Work.within(ImageLimits(), self.captioner.side, self.captioner.fit), PROCESSES)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Caption each row; one that is no image gets a reason and does not stop the others."""
        rows = list(in_parallel(partial(_decoded, self.decoders), model_input.to_dict("records"), PROCESSES))
        decoded = [row for row in rows if not isinstance(row, str)]
        captions = iter(self.captioner.caption(np.stack(decoded)) if decoded else [])
        results = [("", NAN, NAN, row) if isinstance(row, str) else _answer(next(captions)) for row in rows]
        return pd.DataFrame(results, columns=["caption", "score", "confidence", "reason"])


def _decoded(decoders: Decoders, row: dict[Any, Any]) -> npt.NDArray[np.uint8] | str:
    """The pixels of a row, or the reason why it has none."""
    try:
        return decoders.decode(_data(row, decoders.work.limits)).pixels
    except BadImage as error:
        return error.reason


def _answer(caption: Any) -> tuple[str, float, float, str]:
    return caption.text, caption.score, NAN if caption.confidence is None else caption.confidence, ""


def _data(row: dict[Any, Any], limits: ImageLimits) -> bytes:
    if isinstance(row.get("image"), bytes):
        return bytes(row["image"])
    if not isinstance(row.get("path"), str):
        raise SettingsError("a row has neither bytes in column 'image' nor a string in column 'path'")
    if ALLOW_PATHS.read() != "1":
        raise SettingsError(
            f"column 'path' is refused; send bytes in column 'image', or set {ALLOW_PATHS.name}=1 where the model runs"
        )
    return read_image_file(Path(row["path"]), limits, Home.from_environment().roots)


mlflow.models.set_model(CaptionModel())
