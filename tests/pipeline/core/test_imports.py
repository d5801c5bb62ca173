"""Imports of large libraries; and that a start of ours imports what it needs alone."""

import gc
import json
import subprocess
import sys

import pytest

from pipeline.core.imports import lean_import
from pipeline.core.subprocesses import module_environment

ASKED = """
import os, pkgutil, sys
class Hook:
    def find_spec(self, name, *_):
        if name == "keras":
            print(gc.isenabled(), [sys.modules.get(each, "here") for each in ("matplotlib", "sklearn")], flush=True)
            os._exit(0)
import gc
sys.meta_path.insert(0, Hook())
"""
LISTED = """
import json, sys
from nightcap.cli import main
try:
    main(["models", "list"])
except SystemExit as ended:
    assert not ended.code
print(json.dumps(sorted({"tensorflow", "keras", "airflow", "great_expectations", "matplotlib", "sklearn"} & set(sys.modules))))
"""


def python(code):
    environment = module_environment()
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_what_is_unused_is_missing_for_the_time_of_the_import():
    assert "tabnanny" not in sys.modules
    with lean_import("tabnanny", "json"):
        assert not gc.isenabled()
        with pytest.raises(ImportError):
            import tabnanny
    assert gc.isenabled()
    import tabnanny

    assert tabnanny.check
    assert sys.modules["json"] is json, "what is imported already stays"


def test_a_failed_import_hides_nothing_afterwards():
    with pytest.raises(ValueError), lean_import("this"):
        raise ValueError
    assert gc.isenabled()
    assert "this" not in sys.modules


@pytest.mark.parametrize(
    "entry",
    [
        "pipeline.training.encoder_stage",
        "pipeline.training.precision",  # of both stages of training, before their `Trainer`
        "pipeline.evaluation.evaluate",
        "pipeline.release.bundle_stage",
        "nightcap.console:load_tensorflow",
    ],
)
def test_keras_is_imported_without_its_plots_and_wrappers(entry):
    call = "()" if ":" in entry else ""
    assert python(f"{ASKED}pkgutil.resolve_name({entry!r}){call}\n").strip() == "False [None, None]"


def test_a_list_of_models_imports_no_network():
    assert json.loads(python(LISTED).splitlines()[-1]) == []
