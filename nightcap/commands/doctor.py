"""`nightcap doctor`: what this installation can do."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, NamedTuple

import typer

from nightcap.commands.train import require_registry
from nightcap.console import echo, echo_json, load_tensorflow, show, working
from pipeline.core.environment import Home
from pipeline.core.errors import NightcapError, SettingsError
from pipeline.core.packages import installed_versions
from pipeline.registry.connection import shown_uri
from pipeline.registry.journal import Journal
from pipeline.registry.versions import Registry

_PACKAGES = ("apache-airflow", "mlflow", "tensorflow-cpu", "tensorflow", "keras", "great-expectations", "deltalake")
MINIMUM_FREE_BYTES = 2_000_000_000


class Finding(NamedTuple):
    """One line of the report; `good` is None for something optional that is missing."""

    good: bool | None
    text: str


def command(
    gpu: Annotated[
        bool, typer.Option("--gpu", help="Train 200 steps on the CPU and on a GPU instead, and compare; takes minutes.")
    ] = False,
) -> None:
    """Check this installation. Ends with 1 if something that every job needs is broken, or a GPU does not train as the CPU does."""
    home = Home.from_environment()
    if gpu:
        _compare_gpu(home)
        return
    broken = 0
    for check in (_python, _packages, _folders, _decoders, _registry, _devices, _optional):
        with working("checking"):
            findings = list(_guarded(check, home))
        for finding in findings:
            broken += finding.good is False
            echo(f"{ {True: 'ok  ', False: 'FAIL', None: '-   '}[finding.good] } {finding.text}")
    if broken:
        raise typer.Exit(1)


def _compare_gpu(home: Home) -> None:
    require_registry(home)
    load_tensorflow()
    from pipeline.training.device_check.check import NO_GPU, examine, gpus, standard_trials
    from pipeline.training.device_check.findings import log_findings, refuse

    if not gpus():
        raise SettingsError(NO_GPU)
    with working("training on the CPU and on the GPU"):
        findings = examine(standard_trials())
    echo_json(findings)
    run = log_findings(home, findings)
    refuse(findings)
    show(f"this GPU trains as the CPU does; MLflow run {run}")


def _guarded(check: Callable[[Home], Iterator[Finding]], home: Home) -> Iterator[Finding]:
    try:
        yield from check(home)
    except (NightcapError, OSError, ImportError) as error:
        yield Finding(False, str(error))


def _python(home: Home) -> Iterator[Finding]:
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Finding(good, f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")


def _packages(home: Home) -> Iterator[Finding]:
    installed = installed_versions(_PACKAGES)
    missing = [name for name in _PACKAGES if name not in installed and not name.startswith("tensorflow")]
    versions = ", ".join(f"{name} {version}" for name, version in installed.items())
    yield Finding(not missing, versions + (f"; missing {', '.join(missing)}, run make setup" if missing else ""))


def _folders(home: Home) -> Iterator[Finding]:
    for name, folder in (("NIGHTCAP_HOME", home.root), ("NIGHTCAP_STORE", home.store)):
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        yield Finding(free > MINIMUM_FREE_BYTES, f"{name} {folder}, {free / 1e9:.1f} GB free")


def _decoders(home: Home) -> Iterator[Finding]:
    from pipeline.core.confinement import FILE_ACCESS, NETWORK_ACCESS
    from pipeline.imaging.decode import ImageLimits
    from pipeline.imaging.sandbox import Decoders, Work

    with Decoders(Work(ImageLimits(), 64, "squash"), 1) as decoders:
        kept = decoders.protections()
    for protection, way, since in ((FILE_ACCESS, "Landlock", "5.13"), (NETWORK_ACCESS, "seccomp", "3.5")):
        missing = f"decoders are not kept from {protection}: no {way} here; Linux has it since {since}, if the container lets it"
        known = f"decoders of images are kept from {protection} by {way}"
        yield Finding(True if protection in kept else None, known if protection in kept else missing)


def _registry(home: Home) -> Iterator[Finding]:
    versions = Registry(home).versions()
    journal = Journal.of(home)
    entries = filter(None, map(journal.current, dict.fromkeys(item.name for item in versions)))
    champions = [f"{entry.model}/{entry.target}" for entry in entries]
    yield Finding(True, f"MLflow at {shown_uri(home)}, model versions: {len(versions)}")
    shown = ", ".join(champions) or "none yet; nights are skipped until one is"
    yield Finding(bool(champions) or None, f"champion {shown}")


def _devices(home: Home) -> Iterator[Finding]:
    load_tensorflow()
    import tensorflow as tf

    devices = [device.name for device in tf.config.list_physical_devices("GPU")]
    yield Finding(bool(devices) or None, f"GPU {', '.join(devices) or 'none; training runs on the CPU'}")


def _optional(home: Home) -> Iterator[Finding]:
    java = shutil.which("java")
    yield Finding(True if java else None, "Java for METEOR" if java else "no Java, so METEOR is not measured")
    found = installed_versions(("openvino", "nncf"))
    if "openvino" not in found:
        yield Finding(None, "engine tensorflow only; versions with encoder.engine=int8 need the extra int8 of nightcap")
    else:
        captions_only = "" if "nncf" in found else "; int8 captions, but does not train without nncf"
        shown = ", ".join(f"{name} {version}" for name, version in found.items())
        yield Finding(True, f"engines tensorflow and int8 ({shown}){captions_only}")
