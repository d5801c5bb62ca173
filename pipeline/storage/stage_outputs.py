"""Stages: plain functions whose output lies under a digest of all inputs that shaped it."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.core.errors import StageOutputRejected
from pipeline.core.terminal import escaped
from pipeline.storage.files import (
    create_json,
    creating_folder,
    digest_of,
    read_json,
    sha256_file,
    sync_folder,
    write_json,
    write_text,
)
from pipeline.storage.locks import OutputLocks, writing_alone

log = logging.getLogger(__name__)

RECIPE, WRITER = "stage.json", "writer.lock"
_AGAIN = "again"  # an input that is no output: what of an earlier output has passed
LISTING = "SHA256SUMS"  # the SHA-256 of each file of an output
CHANGING = f".{LISTING}.changing"  # the list before a change on purpose, while it lasts; earlier versions': empty
# In the store's folder, since outputs list their files: those of earlier versions were taken over then, no others later.
_SINCE = "outputs.json"


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

    Outputs that were read or made through this object stay locked against removal. An output is used only if its files
    are those that its stage wrote; another folder at its place raises StageOutputRejected.
    """

    root: Path
    locks: OutputLocks = field(default_factory=OutputLocks, repr=False, compare=False)
    _checked: set[Path] = field(default_factory=set, repr=False, compare=False)

    def find(self, stage: str, digest: str) -> StageOutput:
        """An output that an earlier stage reported; raises FileNotFoundError if the store has it no more."""
        folder = self.folder(stage, digest)
        if self._lock(folder):
            return self._checked_output(stage, digest)
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
        outlived: Callable[[StageOutput], Sequence[str]] | None = None,
    ) -> StageOutput:
        """The output for these settings and input digests, built if it is missing.

        `build` writes into a scratch folder, which becomes the output only when it returns. `outlived` names what of an
        earlier output was a trouble of its moment: if there is any, an output without it is found or built instead, once
        for each name.
        """
        recipe = {"stage": stage, "version": version, "settings": dict(settings), "inputs": dict(inputs)}
        digest = digest_of(recipe)
        folder = self.folder(stage, digest)
        self._take_over()
        for name, input_digest in inputs.items():
            self._lock(self.folder(name, input_digest))
        if self._lock(folder):
            output = self._checked_output(stage, digest)
            if outlived and (passed := outlived(output)):
                log.info("%s: built anew, as the trouble of %d images has passed", stage, len(passed))
                inputs = {**inputs, _AGAIN: digest_of([digest, *sorted(passed)])}
                others = _without(passed, outlived)  # what a new output does not cure makes no third
                return self.run(stage, version, settings, inputs, build, others)
            log.info("%s: nothing changed, kept %s", stage, digest[:12])
            return output
        started = time.monotonic()
        with creating_folder(folder) as scratch:
            write_json(scratch / RECIPE, recipe)
            building = OutputLocks()
            building.hold(scratch / RECIPE)
            build(scratch)
            write_json(scratch / RECIPE, recipe | {"seconds": round(time.monotonic() - started, 3)})
            list_files(scratch)
        self._lock(folder)
        log.info("%s: done in %.1f s, %s", stage, time.monotonic() - started, digest[:12])
        return self._checked_output(stage, digest)  # it may be another process' that was first

    def scratch(self, stage: str, settings: Mapping[str, Any], inputs: Mapping[str, str]) -> Path:
        """A folder for what an unfinished stage may resume from, the same for the same settings and inputs."""
        folder = self.root / "unfinished" / stage / digest_of({**settings, **inputs})
        folder.mkdir(parents=True, exist_ok=True)
        if not self.locks.hold(folder / RECIPE):
            write_json(folder / RECIPE, {"stage": stage, "inputs": dict(inputs)})
            self.locks.hold(folder / RECIPE)
        return folder

    @contextmanager
    def resuming(self, stage: str, settings: Mapping[str, Any], inputs: Mapping[str, str]) -> Iterator[Path]:
        """As `scratch`, for one process at a time: another waits until this one ends, however it ends, and says so.

        The folder goes when the block ends well, as the stage's output is in its place then.
        """
        while True:
            folder = self.scratch(stage, settings, inputs)
            with writing_alone(folder / WRITER) as is_ours:
                if is_ours:
                    yield folder
                    shutil.rmtree(folder, ignore_errors=True)
                    return

    def _lock(self, folder: Path) -> bool:
        """Whether an output exists, which then nobody removes; one without a recipe is never removed."""
        return self.locks.hold(folder / RECIPE) or folder.is_dir()

    def _checked_output(self, stage: str, digest: str) -> StageOutput:
        """An output whose files are those that its stage wrote."""
        output = StageOutput(stage, digest, self.folder(stage, digest))
        if output.path not in self._checked:
            self._take_over()
            _require_own_files(output)
            self._checked.add(output.path)
        return output

    def _take_over(self) -> None:
        """Once a store: list the files of the outputs that an earlier version made, which listed none."""
        since = self.root / _SINCE
        if since.is_file():
            return
        taken = [file.parent for file in self.recipes() if _is_unlisted(file)]
        for folder in taken:
            with suppress(FileNotFoundError):  # `gc` removed it meanwhile
                list_files(folder)
        if taken:
            log.warning("%d outputs of an earlier version in %s are used as they are, this once", len(taken), self.root)
        create_json(since, {"taken_over": sorted(str(folder.relative_to(self.root)) for folder in taken)})

    def recipes(self) -> Iterator[Path]:
        """The recipe file of each finished output."""
        yield from self.root.glob(f"stages/*/[0-9a-f]*/{RECIPE}")

    def folder(self, stage: str, digest: str) -> Path:
        """Where an output lies or would lie."""
        return self.root / "stages" / stage / digest[:32]


def _without(
    names: Collection[str], outlived: Callable[[StageOutput], Sequence[str]]
) -> Callable[[StageOutput], Sequence[str]]:
    return lambda output: [each for each in outlived(output) if each not in names]


@contextmanager
def changing_files(output: Path) -> Iterator[None]:
    """Change an output on purpose: its list is of what is left at the end, if it was of what is there at the start.

    A call that is stopped leaves no list, and the next one goes on with the change. What others add is never listed.
    """
    listing, mark = output / LISTING, output / CHANGING
    if not mark.exists() and listing.is_file() and not _odd_files(output):
        listing.replace(mark)
        sync_folder(output)
    if mark.exists():
        listing.unlink(missing_ok=True)
    yield
    if mark.exists():
        list_files(output, _listed(mark))
        mark.unlink()


def list_files(output: Path, names: Collection[str] = ()) -> None:
    """Write down the files of an output as they are now; given names, no others."""
    found = {name: digest for name, digest in _digests(output).items() if not names or name in names}
    write_text(output / LISTING, "".join(f"{digest}  {name}\n" for name, digest in found.items()))


def _require_own_files(output: StageOutput) -> None:
    """Raise StageOutputRejected for files that the stage did not write so, and for a folder that no stage wrote."""
    folder = output.path
    try:
        odd, recipe = _odd_files(folder), _recipe_of(folder / RECIPE)
    except (OSError, ValueError, AttributeError) as error:
        raise _rejected(folder, f"was not written by its stage ({error})") from error
    if digest_of(recipe) != output.digest:
        raise _rejected(folder, f"has the {RECIPE} of another output")
    if odd:
        raise _rejected(folder, f"has files that its stage did not write so: {', '.join(odd[:3])}")


def _odd_files(folder: Path) -> list[str]:
    """The files of an output that are not as its list says."""
    listed, found = _listed(folder / LISTING), _digests(folder)
    return sorted(name for name in listed.keys() | found.keys() if listed.get(name) != found.get(name))


def _listed(listing: Path) -> dict[str, str]:
    """The SHA-256 of each file by its name, as a list says."""
    lines = listing.read_text(encoding="utf-8", errors="replace").splitlines()
    return {line[66:]: line[:64] for line in lines}


def _rejected(folder: Path, fault: str) -> StageOutputRejected:
    return StageOutputRejected(
        f"stage output {folder} {fault}; find out who wrote there, remove it and run the stage again"
    )


def _is_unlisted(file: Path) -> bool:
    """Whether this is the recipe of a whole output from before outputs listed their files."""
    try:
        return not (file.parent / LISTING).exists() and digest_of(_recipe_of(file)).startswith(file.parent.name)
    except (ValueError, AttributeError):
        return False


def _recipe_of(file: Path) -> dict[str, Any]:
    return {name: value for name, value in read_json(file).items() if name != "seconds"}


def _digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file by its path in the folder; a link leads elsewhere, so it has none."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {
        escaped(name): sha256_file(path) if path.is_file() and not path.is_symlink() else "no file"
        for name, path in names.items()
        if name not in {LISTING, CHANGING}
    }
