"""One real Airflow and MLflow for a module of tests, and who is left when they are gone."""

import os
import socket
import urllib.request

import psutil
import pytest

from nightcap.local.stack import LocalStack
from pipeline.core.environment import Home


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in a folder whose name needs quoting."""
    root = tmp_path_factory.mktemp("integration") / "night cap"
    return Home(root, root / "store", f"sqlite:///{root / 'mlflow.db'}")


@pytest.fixture(scope="module")
def taken():
    """The usual ports, as far as this fixture could take them."""
    held = {port: listener for port in (5000, 8080) if (listener := listening(port))}
    yield set(held)
    for listener in held.values():
        listener.close()


@pytest.fixture(scope="module")
def stack(home, taken):
    """Airflow with a night every minute, started where the usual ports are taken and a proxy leads nowhere."""
    stack = LocalStack(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTCAP_SCHEDULE", "* * * * *")
        patch.setenv("NIGHTCAP_APP_URL", "http://127.0.0.1:8090")
        patch.setenv("http_proxy", "http://127.0.0.1:9")
        patch.setenv("no_proxy", "example.org")
        urllib.request.install_opener(None)  # it keeps the proxies of its first use
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()
            urllib.request.install_opener(None)


@pytest.fixture(scope="module")
def api(stack):
    return stack.api()


@pytest.fixture(scope="session")
def processes_of():
    """Finds the processes that work for a home: its path is in their command line, or they have a file of it open."""
    return lambda root: [process for process in psutil.process_iter() if str(root) in about(process)]


def listening(port):
    """A socket that listens there, unless somebody else does."""
    listener = socket.socket()
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError:
        listener.close()
        return None
    return listener


def about(process):
    if process.pid == os.getpid():
        return ""
    try:
        # Airflow's processes give themselves a title, which wipes their environment out.
        return "\n".join([*process.cmdline(), *(file.path for file in process.open_files())])
    except psutil.Error:
        return ""
