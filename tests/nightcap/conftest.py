"""Runs the command line, as a process of its own where streams and exit codes count, else in this one."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image, ImageOps

from nightcap.cli import main

LIMIT_S = 150
# A process counts the memory of the one that started it, so that one must be small.
LAUNCHER = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code if code >= 0 else 128 - code)
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended; `peak` is the most memory it held, in bytes."""

    code: int
    out: str
    err: str
    peak: int = 0

    def refused(self, code: int, *words: str) -> bool:
        """Whether it ended with a code and one line that has all the words."""
        assert self.err.startswith("nightcap: ") and self.err.count("\n") == 1, self.err
        assert self.code == code, self
        assert not [word for word in words if word not in self.err], self.err
        return not self.out


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """Runs `nightcap` as a process."""

    def start(*arguments, stdout=subprocess.PIPE, cwd=None, **environment):
        folder = tmp_path_factory.mktemp("started")
        command = [sys.executable, "-IS", "-c", LAUNCHER, folder / "peak", sys.executable, "-m", "nightcap"]
        everything = {**os.environ, "MLFLOW_TRACKING_URI": "", **environment}
        with (folder / "stderr").open("wb") as stderr:
            process = subprocess.Popen(
                [*map(os.fspath, [*command, *arguments])],
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                env=everything,
                start_new_session=True,
            )
        watch = threading.Timer(LIMIT_S, os.killpg, (process.pid, signal.SIGKILL))
        watch.start()
        out, _ = process.communicate()
        watch.cancel()
        peak = int((folder / "peak").read_text()) * (1024 if sys.platform == "linux" else 1)
        return Ended(process.returncode, (out or b"").decode(), (folder / "stderr").read_text(), peak)

    return start


@pytest.fixture
def run(capsys):
    """Runs `nightcap` in this process."""

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([os.fspath(argument) for argument in arguments])
        return Ended(ended.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def trained(tiny_run, monkeypatch):
    """The home of a small trained model; nights and their tables lie elsewhere."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tiny_run.home.tracking_uri)
    monkeypatch.setenv("NIGHTCAP_PROMOTIONS", tiny_run.home.promotions)
    return tiny_run.home


@pytest.fixture
def without_java(monkeypatch, tmp_path):
    """METEOR costs seconds a run and has tests of its own."""
    monkeypatch.setenv("PATH", str(tmp_path))


def photograph(seed=0, size=(300, 220)):
    """A smooth coloured scene with grain, different in all four corners."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    waves = [128 + 90 * np.sin(x / 40 + seed), 60 + 150 * y / height, 200 * x / width * (1 - y / height)]
    grain = np.random.default_rng(seed).normal(0, 6, (height, width, 3))
    return Image.fromarray((np.stack(waves, -1) + grain).clip(0, 255).astype(np.uint8))


def encoded(image, format="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def photo():
    """Makes the bytes of a JPEG that no other seed has."""
    return lambda seed=0, **options: encoded(photograph(seed), quality=90, **options)


@pytest.fixture(scope="session")
def bad_folder(tmp_path_factory):
    """Every kind of file that a folder of photographs comes to hold."""
    folder = tmp_path_factory.mktemp("bad")
    image = photograph(1, (640, 480))
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned a quarter clockwise
    page = b"<!doctype html><html><title>Not found</title><body>404</body></html>"
    files = {
        "a photo.jpg": encoded(image, quality=90),
        "b_truncated.jpg": encoded(image)[:9000],
        "c_empty.jpg": b"",
        "d_page.jpg": page,
        "e_cmyk.jpg": encoded(image.convert("CMYK")),
        "f_16bit.png": encoded(Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257), "PNG"),
        "g_rotated.jpg": encoded(photograph(2).transpose(Image.Transpose.ROTATE_90), exif=turned),
        "h_huge.png": encoded(Image.new("1", (20_000, 20_000)), "PNG"),
        "notes.txt": b"not an image, and does not look like one",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="session")
def twins(bad_folder, tmp_path_factory):
    """The pixels of `g_rotated.jpg` without a tag: turned upright, and as they are stored."""
    folder = tmp_path_factory.mktemp("twins")
    with Image.open(bad_folder / "g_rotated.jpg") as image:
        ImageOps.exif_transpose(image).save(folder / "upright.png")
        image.save(folder / "sideways.png", exif=b"")
    return folder
