"""Options that several commands share, options made from settings, and the settings of `--config` and `--set`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin

import typer
import yaml

from pipeline.core.errors import SettingsError
from pipeline.core.redaction import masked
from pipeline.core.settings import Group, TrainSettings, assign, train_settings, yaml_value
from pipeline.core.settings.config_file import config_file, with_absolute_paths

if TYPE_CHECKING:
    from pipeline.core.environment import Home
    from serving.runs.settings import NightSettings

Command = TypeVar("Command", bound=Callable[..., None])

NightConfig = Annotated[
    Path | None, typer.Option("--config", help="A YAML file of night settings; the other options come before it.")
]
NightAssignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one night setting, such as stop_at=05:30."),
]
TableOption = Annotated[str | None, typer.Option(help="Delta table of captions; default NIGHTCAP_CAPTIONS.")]
CorrectionsOption = Annotated[
    str | None, typer.Option(help="Delta table of corrections; default corrections in NIGHTCAP_STORE.")
]
AnnotationsOption = Annotated[Path, typer.Option(help="A COCO captions file.")]
LanguageOption = Annotated[
    str | None,
    typer.Option(
        help="Code of the captions' language, as source.language: tr and az read I as their dotless i's capital."
    ),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", help="Also name ignored files, with the reason.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="End with 3 if an image was quarantined.")]


def setting_options(settings: type[Group], *names: str, **helps: str) -> Callable[[Command], Command]:
    """Give a command an option for each of some settings; it receives their values by name in its `**options`.

    Type, bounds and help come from the setting, except where `helps` has another help for it. The value is None, False
    or [] where the option is not given.
    """

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        made = [_option(settings, name, helps.get(name, "")) for name in (*names, *helps)]
        command.__signature__ = signature.replace(parameters=[*made, *own])  # type: ignore[attr-defined]
        return command

    return decorate


def _option(settings: type[Group], name: str, text: str) -> inspect.Parameter:
    """An option for a setting, without the prefix `write_` or `replay_`; of a list it takes one value each time."""
    field = settings.model_fields[name]
    kinds = [each for each in get_args(field.annotation) if each is not NoneType] or [field.annotation]
    kind = get_args(kinds[0])[0] if get_origin(kinds[0]) is Annotated else kinds[0]
    flag = name.removeprefix("write_").removeprefix("replay_")
    if get_origin(kind) is tuple:
        kind, flag = list[str], flag.removesuffix("s")
    bounds = {key: getattr(item, key) for item in field.metadata for key in ("ge", "le") if hasattr(item, key)}
    option = typer.Option(
        f"--{flag.replace('_', '-')}",
        help=text or _help(field.description or "", field.default),
        min=bounds.get("ge"),
        max=bounds.get("le"),
    )
    kind, default = (bool, False) if kind is bool else (kind | None, None)
    either = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, either, default=default, annotation=Annotated[kind, option])


def _help(description: str, default: Any) -> str:
    """A form's description for the command line, where paths need no root and nothing is left empty."""
    text = description.replace(", a local path under a root", "").replace(", under a root", "")
    text = text.replace("; empty for ", "; default ")
    shown = f"{default:g}" if isinstance(default, float) else default
    return text if default is None or default is False else f"{text.removesuffix('.')}; default {shown}."


def settings_from(config: Path | None, assignments: list[str] | None) -> TrainSettings:
    """Checked settings of a file with each `key=value` over it."""
    return train_settings(values_from(config, assignments))


def values_from(config: Path | None, assignments: list[str] | None) -> dict[str, Any]:
    """Nested values of a file with each `key=value` over it.

    Paths become absolute: in a file they are relative to it, in a `key=value` to the working directory.
    """
    values = {} if config is None else config_file(TrainSettings, config)
    for assignment in assignments or ():
        key, text = _split(assignment, "training.epochs=3")
        if key == "preset":
            values["preset"] = text
        else:
            assign(values, key, with_absolute_paths(TrainSettings, Path.cwd(), key, _parsed(assignment, text)))
    return values


def night_settings_from(
    config: Path | None, assignments: list[str] | None, options: Mapping[str, Any], home: Home
) -> NightSettings:
    """Checked settings of a night: a file's, each `key=value` over it, and the command's own options over both.

    A replay of a night looks where that night did, unless another input is named. Paths become absolute as for a training.
    """
    from serving.planning.replay import in_its_input
    from serving.runs.settings import NightSettings, night_settings

    in_file = {} if config is None else config_file(NightSettings, config)
    values = dict(in_file)
    for assignment in assignments or ():
        key, text = _split(assignment, "stop_at=05:30")
        values[key] = with_absolute_paths(NightSettings, Path.cwd(), key, _parsed(assignment, text))
    return in_its_input(night_settings(values | given(options)), home, in_file.get("input"))


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a person gave."""
    return {name: value for name, value in options.items() if not (value is None or value is False or value == [])}


def _split(assignment: str, example: str) -> tuple[str, str]:
    key, equals, text = assignment.partition("=")
    if not equals:
        raise SettingsError(f"--set {masked(assignment)!r} must be key=value, for example {example}")
    return key, text


def _parsed(assignment: str, text: str) -> Any:
    try:
        return yaml_value(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {masked(assignment)!r}: the value is no YAML scalar or list") from error
