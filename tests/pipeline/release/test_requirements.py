from importlib.metadata import version

from pipeline.model.bundle import ENGINE
from pipeline.release.requirements import requirements


def test_what_captions_is_required_in_the_installed_version():
    names = dict(line.split("==") for line in requirements())
    assert {"keras", "numpy", "h5py"} <= names.keys()
    assert all(version(name) == number for name, number in names.items())
    assert "mlflow" not in names


def test_a_version_in_floats_needs_no_openvino():
    assert not [line for line in requirements(ENGINE) if line.startswith("openvino")]
    assert {*requirements(ENGINE)} <= {*requirements()}
