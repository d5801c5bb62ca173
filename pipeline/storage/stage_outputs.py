"""Stages: plain functions whose output lies under a digest of all that shaped it."""

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
    """A finished stage's output.

    Attributes:
        stage: the stage's name.
        digest: SHA-256 over the stage's version, settings and inputs.
        path: a folder that never changes again.
    """

    stage: str
    digest: str
    path: Path

    def figures(self) -> dict[str, Any]:
        """The numbers the stage wrote about itself."""
        file = self.path / "figures.json"
        return dict(read_json(file)) if file.is_file() else {}


@dataclass(frozen=True)
class Store:
    """Finished outputs of stages under one folder: `stages/<stage>/<digest>/`.

    Attributes:
        root: the folder.
        held: what was found or made here, so that nobody removes it meanwhile.
    """

    root: Path
    held: OutputLocks = field(default_factory=OutputLocks, repr=False, compare=False)

    def find(self, stage: str, digest: str) -> StageOutput:
        """An output that an earlier stage reported.

        Raises:
            FileNotFoundError: it is not in the store.
        """
        output = StageOutput(stage, digest, self.folder(stage, digest))
        if not self._take(output.path):
            raise FileNotFoundError(
                f"stage output {stage}/{digest} is not in the store at {self.root}; run the stage again"
            )
        return output

    def run(
        self,
        stage: str,
        version: int,
        settings: Mapping[str, Any],
        inputs: Mapping[str, str],
        build: Callable[[Path], None],
    ) -> StageOutput:
        """Return the output for these settings and input digests, building it if it is missing.

        `build` writes into a scratch folder, which becomes the output only when it returns.
        """
        recipe = {"stage": stage, "version": version, "settings": dict(settings), "inputs": dict(inputs)}
        digest = digest_of(recipe)
        folder = self.folder(stage, digest)
        for name, each in inputs.items():
            self._take(self.folder(name, each))
        if self._take(folder):
            log.info("%s: nothing changed, kept %s", stage, digest[:12])
            return StageOutput(stage, digest, folder)
        started = time.monotonic()
        with creating_folder(folder) as scratch:
            write_json(scratch / RECIPE, recipe)
            under_way = OutputLocks()
            under_way.take(scratch / RECIPE)
            build(scratch)
            write_json(scratch / RECIPE, recipe | {"seconds": round(time.monotonic() - started, 3)})
        self._take(folder)
        log.info("%s: done in %.1f s, %s", stage, time.monotonic() - started, digest[:12])
        return StageOutput(stage, digest, folder)

    def scratch(self, stage: str, settings: Mapping[str, Any], inputs: Mapping[str, str]) -> Path:
        """A folder for what an unfinished stage may resume from, the same for the same settings and inputs."""
        folder = self.root / "unfinished" / stage / digest_of({**settings, **inputs})
        folder.mkdir(parents=True, exist_ok=True)
        if not self.held.take(folder / RECIPE):
            write_json(folder / RECIPE, {"stage": stage, "inputs": dict(inputs)})
            self.held.take(folder / RECIPE)
        return folder

    def _take(self, folder: Path) -> bool:
        """Whether an output is there, which it then stays; one that does not say what shaped it is never removed."""
        return self.held.take(folder / RECIPE) or folder.is_dir()

    def recipes(self) -> Iterator[Path]:
        """The file beside each finished output that says what shaped it."""
        yield from self.root.glob(f"stages/*/[0-9a-f]*/{RECIPE}")

    def folder(self, stage: str, digest: str) -> Path:
        """Where an output lies or would lie."""
        return self.root / "stages" / stage / digest[:32]
