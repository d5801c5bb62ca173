"""Settings from a file, of a training or of a night."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.core.settings.base import Group, PathMark, marks_of
from pipeline.core.settings.loading import read_yaml, train_settings
from pipeline.core.settings.training import TrainSettings
from pipeline.core.variables import Variable, variables_of

log = logging.getLogger(__name__)

TRAIN_CONFIG = Variable(
    "NIGHTCAP_TRAIN_CONFIG",
    "An absolute path of a settings file that fills the form of `train_captioner`; enough new corrections then start it. "
    "With NIGHTCAP_PROMOTED_ONLY no task may be able to change it. Default: none.",
)


def config_file(kind: type[Group], path: Path) -> dict[str, Any]:
    """A file's values, not checked yet; relative paths in it are relative to it."""
    folder = path.absolute().parent
    return {name: with_absolute_paths(kind, folder, name, value) for name, value in read_yaml(path).items()}


def with_absolute_paths(kind: type[Group], folder: Path, name: str, value: Any) -> Any:
    """A setting's value, or a group's values, where a path that is relative to a folder becomes absolute."""
    if isinstance(value, dict):
        return {field: with_absolute_paths(kind, folder, f"{name}.{field}", each) for field, each in value.items()}
    mark = marks_of(kind, PathMark).get(name)
    if not (mark and mark.file_relative and isinstance(value, str) and value) or value in mark.words or ":/" in value:
        return value
    return str(folder / Path(value).expanduser())


def config_named(
    variable: Variable, kind: type[Group], check: Callable[[dict[str, Any]], Any], environ: Mapping[str, str]
) -> dict[str, Any]:
    """The values of the settings file that a variable names, if any; `check` raises SettingsError for wrong ones."""
    path = variable.read(environ)
    if not path:
        return {}
    values = config_file(kind, Path(path))
    _judge_place(variable, Path(path), environ)
    try:
        check(values)
    except SettingsError as error:
        raise SettingsError(f"{variable.name} names {path}: {error}") from error
    return values


def _judge_place(variable: Variable, path: Path, environ: Mapping[str, str]) -> None:
    """Refuse a file that this process may change where only promoted versions may caption, else warn of it."""
    changeable = next(_changeable(path.absolute()), None)
    if changeable is None:
        return
    found = f"{variable.name} names {path}, and a task may change {changeable}"
    remedy = (
        "keep settings files, and every folder and link that leads to them, where only another account may write, or "
        "mount their folder read-only in a folder that no task may rename"
    )
    if dict(variables_of(Home))["promoted_only"].read(environ):
        raise SettingsError(f"{found}, so who runs nights could change what a training does; {remedy}")
    log.warning("%s; before others have accounts, %s", found, remedy)


def _changeable(path: Path) -> Iterator[Path]:
    """The file, then the folders from it upwards, by which this process may change what an absolute path leads to."""
    steps = list(_steps(path))
    if _may_write(steps[-1]):
        yield steps[-1]
    yield from (step.parent for step in reversed(steps) if _may_replace(step))


def _steps(path: Path) -> Iterator[Path]:
    """Every name that is looked up on the way to an existing file, each in its real folder; links one by one."""
    names, place = list(reversed(path.parts[1:])), Path(path.anchor)
    while names:
        name = names.pop()
        if name == os.pardir:
            place = place.parent
            continue
        step = place / name
        yield step
        if not step.is_symlink():
            place = step
            continue
        target = step.readlink()
        place = Path(target.anchor) if target.is_absolute() else place
        names += reversed(target.parts[1:] if target.is_absolute() else target.parts)


def _may_replace(step: Path) -> bool:
    """Whether this process may put another file, folder or link at a name."""
    folder, about = step.parent.stat(), step.lstat()
    if not _may_write(step.parent):
        return False
    if folder.st_mode & stat.S_ISVTX and os.geteuid() not in (folder.st_uid, about.st_uid):
        return False
    # A folder that is read-only in one that is not is the root of a mount, which nobody can rename.
    return stat.S_ISLNK(about.st_mode) or not _is_read_only(step)


def _may_write(place: Path) -> bool:
    if _is_read_only(place):
        return False
    if place.stat().st_uid == os.geteuid():
        return True  # an owner may give itself the right
    return os.access(place, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _is_read_only(place: Path) -> bool:
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY)


def training_config(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The nested values of the file that `NIGHTCAP_TRAIN_CONFIG` names."""
    return config_named(TRAIN_CONFIG, TrainSettings, train_settings, environ)
