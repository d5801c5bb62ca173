"""Decoders that die, hang and swell, and what that costs the images beside."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from benchmarks.odd_images import encoded, photograph, png
from pipeline.core.errors import BadImage, DecoderUnavailable
from pipeline.imaging import decode as images
from pipeline.imaging.decode import ImageLimits
from pipeline.imaging.sandbox import Decoders, Work
from tests.conftest import command_of

LIMITS = ImageLimits()
WORK = Work(LIMITS, 32, "squash")
PHOTO = encoded(photograph(), "PNG")


def reason(decoders, data):
    with pytest.raises(BadImage) as caught:
        decoders.decode(data)
    return caught.value.reason


def test_it_decodes_as_the_library_does():
    exif = Image.Exif()
    exif[0x0112] = 6
    with Decoders(WORK, 1) as decoders:
        for data in (PHOTO, encoded(photograph(600, 400), "JPEG", exif=exif)):
            done = decoders.decode(data)
            image = images.open_image(data, LIMITS, 32)
            np.testing.assert_array_equal(done.pixels, images.resize(image.image, 32, "squash"))
            assert (done.width, done.height, done.flags) == (image.width, image.height, ())
        assert reason(decoders, b"<html>") == "not_an_image"
        assert reason(decoders, b"") == "empty"


def test_a_small_image_keeps_its_shape():
    image = photograph(600, 400)
    with Decoders(Work(LIMITS, 90, "keep"), 1) as decoders:
        done = decoders.decode(encoded(image, "PNG"))
    np.testing.assert_array_equal(done.pixels, images.reduced(image, 90))
    assert (done.pixels.shape, done.width, done.height) == ((60, 90, 3), 600, 400)


@pytest.mark.usefixtures("holes")
def test_a_poisoned_image_fails_alone():
    with Decoders(Work(LIMITS, 32, "squash", seconds=1, memory_mb=150), 2) as decoders, ThreadPoolExecutor(4) as pool:
        poison = {b"#crash": "decoder_crashed", b"#spin": "decoder_timeout", b"#swell": "decoder_memory"}
        bad = {pool.submit(reason, decoders, PHOTO + end): expected for end, expected in poison.items()}
        good = [pool.submit(decoders.decode, PHOTO) for _ in range(20)]
        assert {future.result() for future in bad} == set(poison.values())
        assert all(future.result() == expected for future, expected in bad.items())
        assert all(future.result().width == 60 for future in good)


@pytest.mark.usefixtures("holes")
def test_one_that_sleeps_is_given_up():
    with Decoders(Work(LIMITS, 32, "squash", seconds=0.1), 1) as decoders:
        decoders.decode(PHOTO)
        began = time.monotonic()
        assert reason(decoders, PHOTO + b"#sleep") == "decoder_timeout"
        assert time.monotonic() - began < 5
        assert decoders.decode(PHOTO).width == 60


def test_memory_has_a_limit():
    with Decoders(Work(ImageLimits(max_megapixels=150), 32, "squash", memory_mb=100), 1) as decoders:
        assert reason(decoders, png(6000, 6000)) == "decoder_memory"
        assert decoders.decode(PHOTO).width == 60


def workers():
    """The decoders of this process, which may have other children, also some that have ended."""
    return [child for child in psutil.Process().children() if "pipeline.imaging.sandbox.worker" in command_of(child)]


def test_a_decoder_that_others_kill_is_replaced_and_no_image_is_blamed():
    with Decoders(WORK, 1) as decoders:
        decoders.decode(PHOTO)
        for _ in range(3):
            (worker,) = workers()
            worker.kill()
            assert decoders.decode(PHOTO).width == 60


def test_a_process_with_many_open_files_decodes():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        pytest.skip(f"this process may have no more than {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with Decoders(WORK, 1) as decoders:
            assert decoders.decode(PHOTO).width == 60
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_it_imports_little():
    with Decoders(WORK, 1) as decoders:
        decoders.decode(PHOTO)
        (worker,) = workers()
        mapped = {Path(each.path).name for each in worker.memory_maps()}
    assert not [name for name in mapped if "tensorflow" in name or "arrow" in name]
    assert not psutil.pid_exists(worker.pid)


PARENT = """
import sys, threading
from pipeline.imaging.sandbox import Decoders, Work
from pipeline.imaging.decode import ImageLimits
decoders = Decoders(Work(ImageLimits(), 32, "squash", seconds=1), 1)
data = open(sys.argv[1], "rb").read()
decoders.decode(data)
threading.Thread(target=decoders.decode, args=(data + sys.argv[2].encode(),)).start()
print("at work", flush=True)
threading.Event().wait()
"""


@pytest.mark.usefixtures("holes")
@pytest.mark.parametrize("end", ["", "#spin", "#sleep"])
def test_they_end_with_a_parent_that_is_killed(tmp_path, end):
    (tmp_path / "photo.png").write_bytes(PHOTO)
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parents[4]}"}
    command = [sys.executable, "-c", PARENT, str(tmp_path / "photo.png"), end]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        parent.stdout.readline()
        workers = psutil.Process(parent.pid).children(recursive=True)
        parent.send_signal(signal.SIGKILL)
    assert workers
    _, alive = psutil.wait_procs(workers, timeout=15)
    assert not alive


def test_a_decoder_that_cannot_start_blames_no_image(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit(7)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Decoders(WORK, 1) as decoders:
        for _ in range(2):
            with pytest.raises(DecoderUnavailable, match="exit code 7"):
                decoders.decode(PHOTO)


def test_many_threads_share_few():
    with Decoders(WORK, 2) as decoders, ThreadPoolExecutor(8) as pool:
        data = [encoded(Image.new("RGB", (40, 40), (n, n, n)), "PNG") for n in range(100)]
        for n, done in enumerate(pool.map(decoders.decode, data)):
            assert (done.pixels == n).all()
        assert len(workers()) <= 2
    assert threading.active_count() < 50


@pytest.mark.usefixtures("holes")
@pytest.mark.parametrize("stopped", ["decoder", "both"])
def test_time_counts_only_while_it_could_run(stopped):
    """Ctrl-Z, a paused container, a laptop that sleeps: longer than the patience for an image."""
    with Decoders(Work(LIMITS, 32, "squash", seconds=0.1), 1) as decoders:
        decoders.decode(PHOTO)
        (worker,) = workers()
        stop = f"sleep 0.2; kill -STOP {worker.pid} {os.getpid() if stopped == 'both' else ''}; sleep 2.5; kill -CONT {worker.pid} "
        with subprocess.Popen(["sh", "-c", f"{stop} {os.getpid()}"], start_new_session=True):
            assert decoders.decode(PHOTO + b"#pause").width == 60


@pytest.mark.usefixtures("holes")
def test_a_suspect_image_gets_a_last_try_alone():
    """Its decoder is killed while others work, as for memory that they hold."""
    with Decoders(WORK, 3) as decoders, ThreadPoolExecutor(3) as pool:
        beside = [pool.submit(decoders.decode, PHOTO + b"#slow") for _ in range(6)]
        assert decoders.decode(PHOTO + b"#crowded").width == 60
        assert all(future.result().width == 60 for future in beside)
        crash = pool.submit(reason, decoders, PHOTO + b"#crash")
        assert decoders.decode(PHOTO).width == 60
        assert crash.result() == "decoder_crashed"
