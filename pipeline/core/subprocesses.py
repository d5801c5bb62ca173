"""Our own modules as processes: what they find on their path, and the JSON that they answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pipeline
from pipeline.core.redaction import is_secret

# What a child process may find in its environment. Secrets and addresses are not among it.
_PASSED_ON = frozenset(
    [
        "PATH",
        "HOME",
        "TMPDIR",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "TZ",
        "LD_LIBRARY_PATH",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONHASHSEED",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "NVIDIA_VISIBLE_DEVICES",
        "NVIDIA_DRIVER_CAPABILITIES",
    ]
)
_PASSED_ON_PREFIXES = ("CUDA_", "TF_", "XLA_", "KERAS_", "OMP_", "OPENBLAS_", "MKL_", "ONEDNN_", "DNNL_")
_WITH_CREDENTIALS = ("NIGHTCAP_", "MLFLOW_", "AWS_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def child_environment(*, credentials: bool = False, **changes: str) -> dict[str, str]:
    """The environment of any child process: the variables of an allow-list, and the changes.

    With `credentials` also those of the registry and the store, for a child that is to reach them.
    """
    trusted = _WITH_CREDENTIALS if credentials else ()
    return {
        name: value for name, value in os.environ.items() if _is_harmless(name) or name.upper().startswith(trusted)
    } | changes


def _is_harmless(name: str) -> bool:
    return name in _PASSED_ON or (name.upper().startswith(_PASSED_ON_PREFIXES) and not is_secret(name))


def module_environment(*, credentials: bool = False, **changes: str) -> dict[str, str]:
    """`child_environment` by which another Python finds the same `pipeline`."""
    path = filter(None, [str(Path(pipeline.__file__).parents[1]), os.environ.get("PYTHONPATH")])
    return child_environment(credentials=credentials, PYTHONPATH=os.pathsep.join(path)) | changes


def last_json(text: str) -> dict[str, Any]:
    """The JSON object in the last line; IndexError, TypeError or ValueError if there is none."""
    return dict(json.loads(text.strip().splitlines()[-1]))


def run_module(
    name: str, *arguments: object, env: dict[str, str], timeout_s: float, folder: Path | str
) -> dict[str, Any]:
    """Run a module in a process of its own; its answer is the JSON object in the last line that it prints.

    Raises:
        subprocess.TimeoutExpired: it was killed for its time.
        subprocess.CalledProcessError: its exit status is not 0, or it gave no answer.
    """
    command = [sys.executable, "-m", name, *map(str, arguments)]
    ended = subprocess.run(
        command,
        env=env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=timeout_s,
    )
    try:
        return last_json(ended.stdout)
    except (IndexError, TypeError, ValueError) as error:
        raise subprocess.CalledProcessError(0, command, ended.stdout, ended.stderr) from error


def is_stopped(process: int) -> bool:
    """Whether a process stands still by SIGSTOP or Ctrl-Z, and so spends no time; False for one that is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    except OSError:
        return False
