"""The columns that the MLflow pyfunc takes and gives."""

from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema


def pyfunc_signature() -> ModelSignature:
    """Encoded bytes or a local path of an image, to its caption; `CaptionModel` says what each column holds."""
    inputs = Schema([ColSpec("binary", "image", required=False), ColSpec("string", "path", required=False)])
    types = {"caption": "string", "score": "double", "confidence": "double", "reason": "string"}
    return ModelSignature(inputs, Schema([ColSpec(kind, name) for name, kind in types.items()]))
