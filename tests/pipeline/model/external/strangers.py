"""Models that strangers registered, and the processes that they run in."""

import tempfile
from pathlib import Path

import psutil

from pipeline.core.environment import ExternalLimits
from pipeline.model.external.process import MARK
from pipeline.registry.versions import Registry

CODE = Path(__file__).with_name("strangers_captioner.py")
LIMITS = ExternalLimits(memory_mb=8192, load_s=120, batch_s=60)


def log_model(home, name, code=CODE, inputs=("image",), outputs=("caption",), **metadata):
    """Register somebody's model; its columns are binary, and strings."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    registry = Registry(home)
    takes = Schema([ColSpec("binary", column) for column in inputs])
    gives = Schema([ColSpec("string", column) for column in outputs])
    with mlflow.start_run(experiment_id=registry.experiment("strangers")):
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(code),
            signature=ModelSignature(takes, gives),
            pip_requirements=[],
            metadata={"side": 32, **metadata},
        )
    version = registry.create(name, logged.model_uri, {}, "")
    return f"models:/{name}/{version.version}"


def running():
    """Processes that the test's external captioners left; other workers' tests have captioners, too."""
    processes = []
    for process in psutil.process_iter():
        try:
            known = process.environ()
            ours = MARK in known and known["HOME"].startswith(tempfile.gettempdir())
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                processes.append(process)
        except psutil.Error:
            continue
    return processes
