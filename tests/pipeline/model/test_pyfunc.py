import io
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from PIL import Image

from pipeline.model.bundle import GOLDEN
from pipeline.storage.files import read_json

CHECKOUT = Path(__file__).resolve().parents[3]
STRANGER = """
import json, os, sys

import mlflow, pandas as pd

model = mlflow.pyfunc.load_model("models:/captioner@champion")
from PIL import Image
Image.open = None  # this process decodes no image
images = [open(path, "rb").read() for path in sys.argv[1:]]
told = {"captions": model.predict(pd.DataFrame({"image": [*images, b"<html>"]})).to_dict("records")}
try:
    model.predict(pd.DataFrame({"path": sys.argv[1:2]}))
except Exception as error:
    told["refused"] = str(error)
os.environ["NIGHTCAP_ALLOW_PATHS"] = "1"
told["paths"] = model.predict(pd.DataFrame({"path": [*sys.argv[1:2], "/no/such/file"]})).to_dict("records")
os.environ["NIGHTCAP_ROOTS"] = os.path.dirname(sys.argv[1])
told["roots"] = model.predict(pd.DataFrame({"path": [sys.argv[1], "/etc/hostname"]})).to_dict("records")
import pipeline
told["code"] = pipeline.__file__
told["modules"] = sorted({name.split(".")[0] for name in sys.modules})
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def result(tiny_run, tmp_path_factory):
    """What someone sees who knows only the tracking address, in a process of their own."""
    folder = tmp_path_factory.mktemp("stranger")
    golden = tiny_run.output("bundle").path / "bundle" / GOLDEN
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("NIGHTCAP", "PYTHON"))}
    environ |= {"MLFLOW_TRACKING_URI": tiny_run.home.tracking_uri, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", STRANGER, *sorted(map(str, golden.glob("*.png")))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environ, timeout=250, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def golden(tiny_run):
    captions = read_json(tiny_run.output("bundle").path / "bundle" / GOLDEN / "captions.json")
    return [captions[name] for name in sorted(captions)]


def test_bytes_are_captioned_and_what_is_no_image_has_a_reason(result, golden):
    *actual, page = result["captions"]
    assert [row["caption"] for row in actual] == [row["caption"] for row in golden]
    assert [row["score"] for row in actual] == pytest.approx([row["score"] for row in golden], abs=1e-4)
    assert {row["reason"] for row in actual} == {""}
    assert (page["caption"], page["reason"]) == ("", "not_an_image")
    assert all(row["confidence"] > 0 for row in actual)
    assert page["score"] != page["score"]
    assert page["confidence"] != page["confidence"]


def test_paths_are_refused_unless_they_are_allowed(result, golden):
    assert "column 'path' is refused" in result["refused"]
    assert "NIGHTCAP_ALLOW_PATHS=1" in result["refused"]
    read, missing = result["paths"]
    assert read["caption"] == golden[0]["caption"]
    assert (missing["caption"], missing["reason"]) == ("", "missing")


def test_paths_stay_in_the_roots_if_there_are_any(result, golden):
    read, outside = result["roots"]
    assert read["caption"] == golden[0]["caption"]
    assert (outside["caption"], outside["reason"]) == ("", "unsafe_name")


def test_the_code_comes_with_the_model(result):
    assert not Path(result["code"]).is_relative_to(CHECKOUT)


@pytest.fixture(scope="module")
def model(tiny_run):
    import mlflow

    mlflow.set_tracking_uri(tiny_run.home.tracking_uri)
    loaded = mlflow.pyfunc.load_model("models:/captioner/1")
    with loaded.unwrap_python_model().decoders:
        yield loaded


def test_what_it_takes_and_gives_is_reported(model):
    schema = model.metadata.signature
    assert {column.name: column.type.name for column in schema.inputs} == {"image": "binary", "path": "string"}
    assert [column.required for column in schema.inputs] == [False, False]
    answers = {column.name: column.type.name for column in schema.outputs}
    assert answers == {"caption": "string", "score": "double", "confidence": "double", "reason": "string"}


@pytest.fixture(scope="module")
def artifacts(model):
    import mlflow

    return Path(mlflow.artifacts.download_artifacts("models:/captioner/1"))


def test_it_asks_for_what_captioning_needs_and_loads_nothing_else(result, artifacts):
    asked = dict(line.split("==") for line in (artifacts / "requirements.txt").read_text().split())
    installed = {name: version(name) for name in ("keras", "numpy", "pillow", "pydantic", "h5py")}
    assert installed.items() <= asked.items()
    assert any(name in asked for name in ("tensorflow", "tensorflow-cpu"))
    assert {"keras", "tensorflow", "PIL"} <= set(result["modules"])
    assert not {"airflow", "great_expectations", "deltalake", "tensorflow_datasets"} & set(result["modules"])


def test_it_holds_no_pickle(artifacts):
    names = [path.name for path in artifacts.rglob("*") if path.is_file()]
    assert "SHA256SUMS" in names
    assert [name for name in names if name.endswith((".pkl", ".pickle", ".joblib", ".keras", ".npy"))] == []


def test_a_mixed_table_keeps_its_order(model, golden):
    import pandas as pd

    buffer = io.BytesIO()
    Image.new("RGB", (3, 3)).save(buffer, "PNG")
    rows = model.predict(pd.DataFrame({"image": [b"", buffer.getvalue(), b"GIF89a"]}))
    assert list(rows.columns) == ["caption", "score", "confidence", "reason"]
    assert list(rows["reason"]) == ["empty", "too_small", "truncated"]
    assert list(rows["caption"]) == [""] * 3


def test_a_row_without_an_image_is_refused(model):
    import pandas as pd

    with pytest.raises(Exception, match="neither bytes in column 'image' nor a string in column 'path'"):
        model.predict(pd.DataFrame({"image": [None]}))
