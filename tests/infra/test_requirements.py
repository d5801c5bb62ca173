"""The locks: hashes on everything, addresses of nothing, every direct dependency, and the same versions everywhere."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / "requirements"
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKS = sorted(path.name for path in FOLDER.glob("*.txt"))
PYTHON_LOCKS = [name for name in LOCKS if name.startswith("python")]
RUNTIME = (*PROJECT["dependencies"], *EXTRAS["cpu"], *EXTRAS["stack"], *EXTRAS["heic"], *EXTRAS["int8"])


def entries(name):
    """Each locked requirement with how many hashes it has."""
    text = (FOLDER / name).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return [(Requirement(line.split(" --hash")[0]), line.count("--hash=sha256:")) for line in lines]


def versions(name):
    return {(canonicalize_name(entry.name), str(entry.specifier)) for entry, _ in entries(name)}


def names(name):
    return {package for package, _ in versions(name)}


def wanted(requirements):
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def test_there_is_a_lock_for_each_supported_python():
    assert PYTHON_LOCKS == ["python3.11.txt", "python3.12.txt", "python3.13.txt"]
    assert PROJECT["requires-python"] == ">=3.11,<3.14"


@pytest.mark.parametrize("name", LOCKS)
def test_everything_is_pinned_with_hashes_and_without_address(name):
    text = (FOLDER / name).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-", re.sub(r"^\s+--hash=\S+.*$", "", text, flags=re.MULTILINE), re.MULTILINE)
    assert all(str(entry.specifier).startswith("==") and hashes for entry, hashes in entries(name))


@pytest.mark.parametrize("name", PYTHON_LOCKS)
def test_lock_covers_every_direct_dependency(name):
    assert wanted([*RUNTIME, *EXTRAS["dev"], *EXTRAS["meteor"]]) <= names(name)


@pytest.mark.parametrize("name", PYTHON_LOCKS)
def test_locked_versions_are_above_the_floors(name):
    locked = {canonicalize_name(entry.name): str(entry.specifier)[2:] for entry, _ in entries(name)}
    for line in (*RUNTIME, *EXTRAS["dev"], *EXTRAS["meteor"]):
        required = Requirement(line)
        assert required.specifier.contains(locked[canonicalize_name(required.name)]), line


def test_every_direct_dependency_has_a_floor():
    for line in (*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)):
        assert ">=" in str(Requirement(line).specifier), line


@pytest.mark.parametrize("name", ["airflow.txt", "serving.txt"])
def test_images_hold_what_the_tests_ran_with(name):
    assert versions(name) <= versions("python3.11.txt")


def test_airflow_image_holds_all_of_the_runtime_and_none_of_the_tools():
    assert wanted(RUNTIME) <= names("airflow.txt")
    assert not {"pytest", "mypy", "ruff", "hypothesis"} & names("airflow.txt")


def test_gpu_image_differs_from_it_in_tensorflow_and_its_libraries_alone():
    other = versions("airflow-cuda.txt") - versions("airflow.txt")
    assert all(package == "tensorflow" or package.startswith("nvidia-") for package, _ in other), other
    assert wanted([*PROJECT["dependencies"], *EXTRAS["cuda"], *EXTRAS["stack"], *EXTRAS["int8"]]) <= names(
        "airflow-cuda.txt"
    )


def test_serving_image_holds_neither_airflow_nor_what_makes_a_model():
    asked = [line for line in (FOLDER / "serving.in").read_text().splitlines() if line and not line.startswith("#")]
    assert wanted(asked) <= wanted(RUNTIME)
    assert not {"apache-airflow", "great-expectations", "tensorflow-datasets", "nncf"} & names("serving.txt")


def test_bootstrap_agrees_with_the_locks():
    bootstrap = dict(versions("bootstrap.txt"))
    assert set(bootstrap) == {"pip", "setuptools", "uv"}
    for name in PYTHON_LOCKS:
        assert ("setuptools", bootstrap["setuptools"]) in versions(name)
