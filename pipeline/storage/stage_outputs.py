"""Stages: plain functions whose output lies under a digest of all inputs that shaped it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.storage.files import creating_folder, digest_of, read_json, write_json
from pipeline.storage.locks import OutputLocks

log = logging.getLogger(__name__)

RECIPE = "stage.json"


@dataclass(frozen=True)
class StageOutput:
    """A finished stage's output: a folder that never changes, by a SHA-256 of version, settings and inputs."""

    stage: str
    digest: str
    path: Path

    def figures(self) -> dict[str, Any]:
        """The numbers that the stage wrote about itself."""
        file = self.path / "figures.json"
        return dict(read_json(file)) if file.is_file() else {}


@dataclass(frozen=True)
class Store:
    """Finished outputs of stages under one folder: `stages/<stage>/<digest>/`.

    Outputs that were read or made through this object stay locked against removal.
    """

    root: Path
    locks: OutputLocks = field(default_factory=OutputLocks, repr=False, compare=False)

    def find(self, stage: str, digest: str) -> StageOutput:
        """An output that an earlier stage reported; raises FileNotFoundError if the store has it no more."""
        folder = self.folder(stage, digest)
        if self._lock(folder):
            return StageOutput(stage, digest, folder)
        raise FileNotFoundError(
            f"stage output {stage}/{digest} is not in the store at {self.root}; run the stage again"
        )

    def run(
        self,
        stage: str,
        version: int,
        settings: Mapping[str, Any],
        inputs: Mapping[str, str],
        build: Callable[[Path], None],
    ) -> StageOutput:
        """The output for these settings and input digests, built if it is missing.

        `build` writes into a scratch folder, which becomes the output only when it returns.
        """
        recipe = {"stage": stage, "version": version, "settings": dict(settings), "inputs": dict(inputs)}
        digest = digest_of(recipe)
        folder = self.folder(stage, digest)
        for name, input_digest in inputs.items():
            self._lock(self.folder(name, input_digest))
        if self._lock(folder):
            log.info("%s: nothing changed, kept %s", stage, digest[:12])
            return StageOutput(stage, digest, folder)
        started = time.monotonic()
        with creating_folder(folder) as scratch:
            write_json(scratch / RECIPE, recipe)
            building = OutputLocks()
            building.hold(scratch / RECIPE)
            build(scratch)
            write_json(scratch / RECIPE, recipe | {"seconds": round(time.monotonic() - started, 3)})
        self._lock(folder)
        log.info("%s: done in %.1f s, %s", stage, time.monotonic() - started, digest[:12])
        return StageOutput(stage, digest, folder)

    def scratch(self, stage: str, settings: Mapping[str, Any], inputs: Mapping[str, str]) -> Path:
        """A folder for what an unfinished stage may resume from, the same for the same settings and inputs."""
        folder = self.root / "unfinished" / stage / digest_of({**settings, **inputs})
        folder.mkdir(parents=True, exist_ok=True)
        if not self.locks.hold(folder / RECIPE):
            write_json(folder / RECIPE, {"stage": stage, "inputs": dict(inputs)})
            self.locks.hold(folder / RECIPE)
        return folder

    def _lock(self, folder: Path) -> bool:
        """Whether an output exists, which then nobody removes; one without a recipe is never removed."""
        return self.locks.hold(folder / RECIPE) or folder.is_dir()

    def recipes(self) -> Iterator[Path]:
        """The recipe file of each finished output."""
        yield from self.root.glob(f"stages/*/[0-9a-f]*/{RECIPE}")

    def folder(self, stage: str, digest: str) -> Path:
        """Where an output lies or would lie."""
        return self.root / "stages" / stage / digest[:32]
