"""Writes docs/reference.md from the code: commands, settings, reasons, environment. Run by `make docs`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from dags import environment as dag_variables
from nightcap.lazy_commands import SECTIONS, imported
from pipeline.core import reasons
from pipeline.core.environment import ALLOW_PATHS, ExternalLimits, Home
from pipeline.core.redaction import PATTERN
from pipeline.core.settings import TrainSettings, preset_names
from pipeline.core.settings.config_file import TRAIN_CONFIG
from pipeline.core.settings.form import Field, fields_of
from pipeline.core.variables import Variable, variables_of
from pipeline.imaging import quality
from pipeline.metrics.health import DANGLING_WORDS
from pipeline.model.reference_profile import CAPTION_STATISTICS, IMAGE_STATISTICS, TOP_CAPTION
from pipeline.storage.objects import exclusions
from serving.monitoring import exporter
from serving.monitoring import push_runs as runs
from serving.monitoring.metrics import NIGHT_METRICS, PREFIX
from serving.monitoring.push_night import JOB
from serving.runs.config_file import NIGHT_CONFIG
from serving.runs.settings import NightSettings
from serving.upkeep.rollback import RollbackSettings
from serving.upkeep.tables import TendingSettings

_TARGET = Path(__file__).parents[1] / "docs" / "reference.md"

OTHER_METRICS = (
    "Runs are at the Pushgateway under job `nightcap_runs` with label `dag`; of nights only scheduled and held ones. "
    "Trainings are under `nightcap_training` and the gate under `nightcap_gate`, both with label `model`. "
    "`nightcap exporter` serves the others; the disk's have the label `folder`."
)

OTHER_PROGRAMS = {
    "AIRFLOW__CORE__PLUGINS_FOLDER": "In an Airflow of your own: `dags/plugins` of this repository, which tells Airflow of the deadline `NIGHTCAP_PUBLISHED_BY` and gives it the links of `NIGHTCAP_APP_URL`; without it no run of `caption_nightly` can be made.",
    "MLFLOW_BACKEND_STORE_URI": "The database of a stack's MLflow, for `nightcap move`.",
    "MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD": "The account at an MLflow server that asks for one.",
    "AWS_*, AWS_ENDPOINT_URL": "Credentials and address of the object store of images and of MLflow's artifacts, as boto3 reads them.",
}

EXIT_CODES = {
    "0": "Done.",
    "1": "The outside world failed, or the data were rejected; the line says what to do.",
    "2": "Arguments or settings are wrong.",
    "3": "Done, but something was quarantined and `--strict` was given.",
    "130": "Interrupted.",
    "143": "Terminated: what was at work is dropped, and the same night goes on where it was.",
}


def main() -> None:
    """Write the page, or with --check say whether it is up to date."""
    page = "\n".join(reference()) + "\n"
    if "--check" not in sys.argv:
        _TARGET.write_text(page, encoding="utf-8")
    elif _TARGET.read_text(encoding="utf-8") != page:
        sys.exit("docs/reference.md is out of date; run `make docs`")


def reference() -> Iterator[str]:
    """The page's lines."""
    yield "# Reference"
    yield "Written by `make docs` from the code; do not edit."
    yield from _commands()
    yield "\n## Exit codes"
    yield from _table(("code", "meaning"), EXIT_CODES.items())
    yield "\n## Training settings"
    yield "In a YAML file by group, on the command line as `--set group.field=value`, in Airflow's form by the same names."
    yield "Empty is `null` in YAML and `--set`; in the form, where an empty field keeps the preset's value, the field `empty` names such settings."
    yield f"`preset` is what they start from: {', '.join(f'`{name}`' for name in preset_names())} (default `scenes`)."
    for group, info in TrainSettings.model_fields.items():
        assert isinstance(info.annotation, type)
        yield f"\n### {group}"
        yield from _settings(fields_of(info.annotation))
    yield "\n## Night settings"
    yield "The form of `caption_nightly`, on the command line as `nightcap night --set setting=value`; a YAML file of them is for `nightcap night --config` and `NIGHTCAP_NIGHT_CONFIG`."
    yield from _settings(fields_of(NightSettings))
    yield "\n## Settings of the tables' upkeep"
    yield "The form of `tend_tables`; `nightcap tables` has options for them."
    yield from _settings(fields_of(TendingSettings))
    yield "\n## Metrics of a night"
    yield (
        f"All are gauges, at the Pushgateway by these names under job `{JOB}` and the table's address, of the last night that had images; in "
        f"MLflow without `{PREFIX}` and with the label's value at the end (`images_captioned`), a run a night in the experiment that "
        "the setting `experiment` names. A sign is one of "
        f"{', '.join(f'`{sign}`' for sign in (*CAPTION_STATISTICS, TOP_CAPTION, *IMAGE_STATISTICS))}."
    )
    rows = (
        (f"`{PREFIX}{name}`", f"`{item.label}`" if item.label else "", item.meaning)
        for name, item in NIGHT_METRICS.items()
    )
    yield from _table(("metric", "label", "meaning"), rows)
    yield "\n## Metrics of runs, the gate and the installation"
    yield OTHER_METRICS
    yield from _table(
        ("metric", "meaning"),
        ((f"`{name}`", text) for name, text in (runs.RUN_METRICS | exporter.INSTALLATION_METRICS).items()),
    )
    yield "\n## Settings of a rollback"
    yield "The form of `rollback_captioner`; `nightcap models rollback` has options for them."
    yield from _settings(fields_of(RollbackSettings))
    yield "\n## Reasons"
    yield "Why something is quarantined or a data set rejected."
    yield from _reasons()
    yield "\n## Flags"
    yield "What an image's row has in `flags`; the setting `unusable` says what follows."
    yield from _table(("flag", "meaning"), ((f"`{flag}`", text) for flag, text in quality.FLAGS.items()))
    yield "\n## Words that break off"
    yield "A caption that ends in one of these is dangling, in the tables of caption health and for the gate:"
    yield f"\n{', '.join(sorted(DANGLING_WORDS))}."
    yield "\n## Environment"
    yield from _table(("variable", "meaning"), [*_variables(), *OTHER_PROGRAMS.items()])


def _commands() -> Iterator[str]:
    yield "\n## Commands"
    for name in chain.from_iterable(SECTIONS.values()):
        command = imported(name)
        children = getattr(command, "commands", {})
        for child, inner in children.items():
            if not inner.hidden:
                yield from _command(f"nightcap {name} {child}", inner)
        if not children:
            yield from _command(f"nightcap {name}", command)


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = "".join(
        f" {item.metavar or item.name}" for item in command.params if item.param_type_name == "argument"
    )
    yield f"\n### {name}{arguments}"
    yield " ".join(command.help.split())
    options = [item for item in command.params if item.param_type_name == "option" and item.name != "help"]
    if options:
        rows = [(f"`{', '.join(item.opts)}`", item.help or "", _default(item.default)) for item in options]
        yield from _table(("option", "meaning", "default"), rows)


def _settings(fields: Iterable[Field]) -> Iterator[str]:
    rows = ((f"`{field.name}`", field.description, _allowed(field.schema), _default(field.default)) for field in fields)
    yield from _table(("setting", "meaning", "allowed", "default"), rows)


def _allowed(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"] if value is not None)
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    kind = next(each for each in kinds if each != "null")
    bounds = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    limits = [f"{word} {schema[key]:g}" for key, word in bounds.items() if key in schema]
    patterns = [schema["pattern"]] if "pattern" in schema else []
    forms = ["no password in it" if pattern == PATTERN else f"`{pattern}`" for pattern in patterns]
    return ", ".join([kind, *limits, *forms])


def _default(value: Any) -> str:
    shown = {None: "", True: "`true`", False: "`false`"} if value is None or isinstance(value, bool) else {}
    return shown.get(value, f"`{value}`")


def _reasons() -> Iterator[str]:
    groups = {
        "Images of a night or of `nightcap caption`": reasons.NIGHT_REASONS,
        "Files that a listing ignores": reasons.IGNORED_REASONS,
        "Images of a training": reasons.IMAGE_REASONS,
        "Captions of a training": reasons.CAPTION_REASONS,
        "Data sets": reasons.DATASET_REASONS,
    }
    for title, codes in groups.items():
        yield f"\n**{title}**\n"
        yield from _table(("reason", "meaning"), ((f"`{code}`", text) for code, text in codes.items()))
    named = {**exclusions.SYSTEM_FOLDERS, **exclusions.SYSTEM_PATTERNS}
    yield "\n**Folders that are left out** (beside those whose names begin with a dot)\n"
    yield from _table(("folder", "made by"), ((f"`{name}`", text) for name, text in named.items()))


def _variables() -> Iterator[tuple[str, str]]:
    declared = [variable for kind in (Home, ExternalLimits) for _, variable in variables_of(kind)]
    declared += [NIGHT_CONFIG, TRAIN_CONFIG, ALLOW_PATHS]
    for variable in (*declared, *(each for each in vars(dag_variables).values() if isinstance(each, Variable))):
        default = f" Default: `{variable.default}`." if variable.default else ""
        yield variable.name, variable.description + default


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


if __name__ == "__main__":
    main()
