"""Nights in processes of their own that get a signal: at a random moment, or at a chosen write."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import stat
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.core.environment import Home
from pipeline.core.signals import CODE, Stopped, heeding_sigterm
from tests.serving.night_world import ColourCaptioner, World

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["serving.night", "deltalake", "pandas", "PIL.JpegImagePlugin", "tests.faults.killing"])

EQUAL = ("image", "etag", "sha256", "status", "reason", "caption", "model_version")
BAD = 50  # one file in so many is no image
WRITES = {"os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate"}
HANGS_S = 200  # a night of a thousand takes seconds
TOLD = {"fsync", "create"}


@dataclass
class Diary(ColourCaptioner):
    """Notes how many images it captions in a file, which outlives the process."""

    file: Path = Path()

    def caption(self, pixels):
        captions = super().caption(pixels)
        with self.file.open("a") as file:
            file.write(f"{len(pixels)}\n")
        return captions


@dataclass(frozen=True)
class Night:
    """One night over a folder of images, in a home of its own.

    Attributes:
        root: of the home.
        images: folder of images.
        settings: others of the night.
    """

    root: Path
    images: Path
    settings: dict

    @property
    def world(self):
        return World(Home(self.root, self.root / "store", "", (str(self.images),)))

    @property
    def output(self):
        return self.root / "out"

    @property
    def diary(self):
        return self.root.with_suffix(".diary")

    def start(self, write=0, number=signal.SIGKILL):
        """A process at work on the night, which gets a signal at its n-th write, unless n is 0."""
        process = SERVER.Process(target=work, args=(self, write, number))
        process.start()
        return process

    def run(self, write=0, number=signal.SIGKILL):
        """Work on the night until the end; whether it was the signal's."""
        process = self.start(write, number)
        process.join(HANGS_S + 60)
        code = process.exitcode
        process.close()
        assert code in {0, CODE if number == signal.SIGTERM else -number}, f"the night ended with {code}"
        return code != 0

    def captioned(self):
        """How many images the model was shown, in all runs together."""
        return sum(map(int, self.diary.read_text().split())) if self.diary.exists() else 0


def work(night, write, number):
    faulthandler.dump_traceback_later(HANGS_S, exit=True)  # a night that hangs tells where
    world = night.world
    world.captioner = Diary(file=night.diary)
    try:
        with heeding_sigterm():
            if write:
                signal_at(write, number, night.root)
            world.night(input=str(night.images), output=str(night.output), **night.settings)
    except Stopped:
        sys.exit(CODE)


def signal_at(write, number, root):
    """Send this process a signal just before its n-th write under a folder; returns how to ask how many were made.

    A write is a call that makes, fills, names, moves or removes a file, or makes a table.
    """
    left, prefix = write, os.fspath(root)

    def hook(event, arguments):
        nonlocal left
        if _writes(event, arguments, prefix):
            left -= 1
            if not left:
                signal.raise_signal(number)

    _tell_of_what_python_does_not()
    sys.addaudithook(hook)
    return lambda: write - left


def is_killed(act, root, write, *arguments):
    """Whether a process that acts was killed at its n-th write under a folder; `writes` beside that has their number."""
    process = SERVER.Process(target=_act, args=(act, root, write, arguments))
    process.start()
    process.join(HANGS_S)
    code = process.exitcode
    process.close()
    assert code in {0, -signal.SIGKILL}, f"it ended with {code}"
    return code != 0


def _act(act, root, write, arguments):
    made = signal_at(write, signal.SIGKILL, root)
    act(*arguments)
    (root.parent / "writes").write_text(str(made()))


def _writes(event, arguments, prefix):
    if event in TOLD:
        return True
    if event == "open":
        path, _, flags = arguments
        return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) and str(path).startswith(prefix)
    return event in WRITES


def _tell_of_what_python_does_not():
    from deltalake import DeltaTable

    def told(event, function, counts=lambda *_: True):
        def call(*arguments, **options):
            if counts(*arguments):
                sys.audit(event)
            return function(*arguments, **options)

        return call

    # To be killed before a folder is synchronised is to be killed before the write that follows.
    os.fsync = told("fsync", os.fsync, lambda descriptor: not stat.S_ISDIR(os.fstat(descriptor).st_mode))
    DeltaTable.create = told("create", DeltaTable.create)


def draw(folder, count):
    """Images that all differ, and a few files that are none."""
    folder.mkdir()
    for n in range(count):
        path = folder / f"{n:05d}.jpg"
        if n % BAD == BAD // 2:
            path.write_bytes(b"<html>")
        else:
            Image.fromarray(np.full((24, 32, 3), (n % 256, n // 256 * 16, 99), np.uint8)).save(path, quality=90)
    return folder


def kill_after(night, seconds):
    """Kill a fresh process at work on the night after a while; whether it was still at work then."""
    process = night.start()
    time.sleep(seconds)
    process.kill()
    process.join(60)
    code = process.exitcode
    process.close()
    return code == -signal.SIGKILL
