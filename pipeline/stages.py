"""Stages: plain functions whose output lies under a digest of all that shaped it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.files import digest_of, read_json, whole_folder, write_json

log = logging.getLogger(__name__)

RECIPE = "stage.json"


@dataclass(frozen=True)
class Output:
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
    """Finished outputs of stages under one folder: `stages/<stage>/<digest>/`."""

    root: Path

    def find(self, stage: str, digest: str) -> Output:
        """An output that an earlier stage reported.

        Raises:
            FileNotFoundError: it is not in the store.
        """
        output = Output(stage, digest, self.folder(stage, digest))
        if not output.path.is_dir():
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
    ) -> Output:
        """Return the output for these settings and input digests, building it if it is missing.

        `build` writes into a scratch folder, which becomes the output only when it returns.
        """
        recipe = {"stage": stage, "version": version, "settings": dict(settings), "inputs": dict(inputs)}
        digest = digest_of(recipe)
        folder = self.folder(stage, digest)
        if folder.is_dir():
            log.info("%s: nothing changed, kept %s", stage, digest[:12])
            return Output(stage, digest, folder)
        started = time.monotonic()
        with whole_folder(folder) as scratch:
            build(scratch)
            write_json(scratch / RECIPE, recipe | {"seconds": round(time.monotonic() - started, 3)})
        log.info("%s: done in %.1f s, %s", stage, time.monotonic() - started, digest[:12])
        return Output(stage, digest, folder)

    def scratch(self, stage: str, recipe: Mapping[str, Any]) -> Path:
        """A folder for what an unfinished stage may resume from, the same for the same recipe."""
        folder = self.root / "unfinished" / stage / digest_of(dict(recipe))
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def recipes(self) -> Iterator[Path]:
        """The file beside each finished output that says what shaped it."""
        yield from self.root.glob(f"stages/*/[0-9a-f]*/{RECIPE}")

    def folder(self, stage: str, digest: str) -> Path:
        """Where an output lies or would lie."""
        return self.root / "stages" / stage / digest[:32]
