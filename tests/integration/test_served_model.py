"""`mlflow models serve` captions as the bundle does."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from pipeline.imaging.decode import ImageLimits, pixels
from tests.loading import load_captioner
from tests.odd_images import odd_images
from tests.registered_bundle import register_stored
from tests.until import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

CHAMPION = "models:/captioner@champion"


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    return register_stored(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def address(registered, tmp_path_factory):
    """Where the registered version answers, in a process that knows nothing but the tracking address."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        free_port = listener.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", CHAMPION, "--env-manager", "local"]
    command += ["--host", "127.0.0.1", "--port", str(free_port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NIGHTCAP", "PYTHON"))}
    environment |= {"MLFLOW_TRACKING_URI": registered.tracking_uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # it calls uvicorn
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{free_port}/ping", server, folder / "log")
        yield f"http://127.0.0.1:{free_port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def wait_for(uri, server, log):
    def answers():
        with suppress(OSError):
            urllib.request.urlopen(uri, timeout=5).close()
            return True
        return False

    until(answers, 240, lambda: log.read_text()[-3000:], process=server, pause=0.5)


def ask(address, columns, rows):
    body = json.dumps({"dataframe_split": {"columns": columns, "data": rows}}).encode()
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)["predictions"]


def test_it_captions_as_the_bundle_does(registered, address):
    images = list(odd_images().values())
    captioner = load_captioner(registered, CHAMPION)
    expected = captioner.caption(
        np.stack([pixels(data, captioner.side, captioner.fit, ImageLimits()) for data in images])
    )
    found = ask(address, ["image"], [[base64.b64encode(data).decode()] for data in [*images, b"<html>"]])
    assert [row["caption"] for row in found] == [*(caption.text for caption in expected), ""]
    assert [row["score"] for row in found[:-1]] == pytest.approx([each.score for each in expected], abs=1e-4)
    assert found[-1]["reason"] == "not_an_image"


def test_it_reads_no_local_file(address):
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(address, ["path"], [["/etc/passwd"]])
    assert "column 'path' is refused" in caught.value.read().decode()
