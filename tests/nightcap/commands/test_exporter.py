"""`nightcap exporter`."""

import signal
import subprocess
import sys
import urllib.request
from contextlib import suppress

from nightcap.local.processes import free_port
from tests.until import until


def test_metrics_are_served_until_it_is_stopped():
    port = free_port(19_000)
    command = [sys.executable, "-m", "nightcap", "exporter", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:

        def page():
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
                return answer.read().decode()
            return ""

        try:
            assert "nightcap_" in until(page, 200, "no metrics were served", process=process, pause=0.5)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, err) == (143, "nightcap: terminated\n")


def test_a_wrong_port_is_one_line(run):
    assert run("exporter", "--port", "65536").refused(2, "--port")
