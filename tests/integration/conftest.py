"""One real Airflow and MLflow for a module of tests, and who is left when they are gone."""

import os
import socket
from contextlib import ExitStack, suppress

import psutil
import pytest

from nightcap.local.stack import LocalStack
from pipeline.home import Home


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in a folder whose name needs quoting."""
    root = tmp_path_factory.mktemp("integration") / "night cap"
    return Home(root, root / "store", f"sqlite:///{root / 'mlflow.db'}")


@pytest.fixture(scope="module")
def stack(home):
    """Airflow with a night every minute, started where the usual ports are taken and a proxy leads nowhere."""
    stack = LocalStack(home)
    with pytest.MonkeyPatch.context() as patch, ExitStack() as held:
        patch.setenv("NIGHTCAP_SCHEDULE", "* * * * *")
        patch.setenv("http_proxy", "http://127.0.0.1:9")
        patch.setenv("no_proxy", "example.org")
        for port in (5000, 8080):
            held.enter_context(listening(port))
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


@pytest.fixture(scope="module")
def api(stack):
    return stack.api()


@pytest.fixture(scope="session")
def processes_of():
    """Finds the processes that work for a home: its path is in their command line, or they have a file of it open."""
    return lambda root: [process for process in psutil.process_iter() if str(root) in about(process)]


def listening(port):
    """A socket that listens there, if nobody else does."""
    taken = socket.socket()
    with suppress(OSError):
        taken.bind(("127.0.0.1", port))
        taken.listen()
    return taken


def about(process):
    if process.pid == os.getpid():
        return ""
    try:
        # Airflow's processes give themselves a title, which wipes their environment out.
        return "\n".join([*process.cmdline(), *(file.path for file in process.open_files())])
    except psutil.Error:
        return ""
