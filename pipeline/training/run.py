"""A training under way: its settings, where it works, and the stages that are finished."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pipeline.core.environment import Home
from pipeline.core.settings import TrainSettings
from pipeline.core.settings.base import PathMark, marks_of
from pipeline.data.snapshot import Snapshot
from pipeline.data.sources.base import Source
from pipeline.data.sources.factory import open_source
from pipeline.data.validation.measurements import limits_of
from pipeline.imaging.decode import ImageLimits
from pipeline.storage.files import read_json
from pipeline.storage.locks import OutputLocks
from pipeline.storage.objects import require_inside
from pipeline.storage.stage_outputs import StageOutput, Store


@dataclass(frozen=True)
class TrainingRun:
    """A training's settings, its home, and its finished stages."""

    settings: TrainSettings
    home: Home
    done: Mapping[str, str] = field(default_factory=dict)  # digests of finished stages' outputs; small enough for XCom
    held: OutputLocks = field(default_factory=OutputLocks, repr=False, compare=False)  # on outputs in use

    def require_inside_roots(self, trusted: Collection[str] = ()) -> None:
        """Raise SettingsError for a path of the settings that no root of the home holds, and that is not a trusted one."""
        roots = (str(self.home.root), str(self.home.store), *self.home.roots)
        for path in paths_of(self.settings):
            if path not in trusted:
                require_inside(path, roots)

    @cached_property
    def store(self) -> Store:
        """Finished stage outputs."""
        return Store(self.home.store, self.held)

    @cached_property
    def source(self) -> Source:
        """Where the photographs come from."""
        return open_source(self.settings.source, self.home)

    @cached_property
    def accepted(self) -> Snapshot:
        """The photographs and captions that passed validation."""
        return Snapshot.load(self.output("validate").path)

    @property
    def limits(self) -> ImageLimits:
        """Which images are decoded at all."""
        return limits_of(self.settings.validation)

    def output(self, stage: str) -> StageOutput:
        """The output of a finished stage; KeyError where it has not run, FileNotFoundError where the output is gone."""
        return self.store.find(stage, self.done[stage])

    def scores(self) -> dict[str, Any]:
        """The scores of the stage `evaluate` on the test split."""
        return dict(read_json(self.output("evaluate").path / "scores.json"))

    def inputs(self, *stages: str) -> dict[str, str]:
        """The digests of some finished stages, as a later stage's inputs."""
        return {stage: self.done[stage] for stage in stages}

    def after(self, output: StageOutput) -> TrainingRun:
        """The run with one more stage finished."""
        return replace(self, done={**self.done, output.stage: output.digest})


def paths_of(settings: TrainSettings) -> list[str]:
    """The folders, files and addresses that settings name; no versions of models."""
    values, paths = settings.model_dump(mode="json"), []
    for name, mark in marks_of(TrainSettings, PathMark).items():
        group, _, field_name = name.partition(".")
        path = values[group][field_name]
        if path and path not in mark.words and not path.startswith("models:/"):
            paths.append(path)
    return paths
