"""The decoder process, as its parent sees it."""

import json
import socket
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest

from pipeline.core.confinement import FILE_ACCESS, NETWORK_ACCESS
from pipeline.imaging.decode import ImageLimits
from pipeline.imaging.sandbox.framing import receive, send
from pipeline.imaging.sandbox.task import Work, decoded
from tests.pipeline.imaging.image_bytes import encoded, photograph

WORK = Work(ImageLimits(max_bytes=100_000), 32, "squash")
LONGEST = 100_000


@pytest.fixture
def worker():
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "pipeline.imaging.sandbox.worker", WORK.to_json()]
    with ours, subprocess.Popen(command, stdin=theirs.fileno()) as process:
        theirs.close()
        ours.settimeout(60)
        assert set(json.loads(receive(ours, LONGEST))["protections"]) <= {FILE_ACCESS, NETWORK_ACCESS}
        yield process, ours
        ours.close()
        process.wait(10)


def test_each_image_is_answered_with_its_size_and_pixels_or_a_reason(worker):
    _, parent = worker
    data = encoded(photograph(40, 50))
    send(parent, data)
    assert json.loads(receive(parent, LONGEST)) == {"size": [40, 50], "flags": ["blurred"], "shape": [32, 32]}
    pixels = np.frombuffer(receive(parent, LONGEST), np.uint8).reshape(32, 32, 3)
    np.testing.assert_array_equal(pixels, decoded(data, WORK).pixels)
    send(parent, b"<html>")
    answer = json.loads(receive(parent, LONGEST))
    assert (answer["reason"], receive(parent, LONGEST)) == ("not_an_image", b"")


@pytest.mark.parametrize("end", ["closed", "too much"])
def test_it_ends_with_its_connection_and_at_a_frame_beyond_the_limit(worker, end):
    process, parent = worker
    if end == "closed":
        parent.close()
    else:
        with suppress(BrokenPipeError):  # the decoder ends at the length, perhaps before the bytes are sent
            send(parent, bytes(WORK.limits.max_bytes + 1))
    assert process.wait(10) == 0
