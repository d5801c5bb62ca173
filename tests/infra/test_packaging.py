"""Scripts, images, YAML and the wheel: checked by the tools made for them."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PACKAGES = ("pipeline", "serving", "nightcap")


def check(*command, cwd=CHECKOUT):
    result = subprocess.run(command, check=False, cwd=cwd, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("script", [".ci/run", "infra/setup.sh", "infra/airflow-init.sh", "infra/backup/databases.sh"])
def test_shell_scripts_are_clean_and_executable(script):
    assert (CHECKOUT / script).stat().st_mode & 0o111
    if not (BIN / "shellcheck").exists():
        pytest.skip("shellcheck has no package for this machine")
    check(BIN / "shellcheck", script)


def test_dockerfiles_are_clean():
    check(BIN / "hadolint", *sorted((CHECKOUT / "infra").glob("*.Dockerfile")), "tests/soak/stand_ins.Dockerfile")


def test_yaml_is_clean():
    check(BIN / "yamllint", "--strict", "docker-compose.yml", ".yamllint", "infra", "benchmarks", "pipeline")


def test_images_are_not_root_and_hold_no_more_than_they_copy():
    for path in (CHECKOUT / "infra").glob("*.Dockerfile"):
        lines = path.read_text().splitlines()
        assert [line for line in lines if line.startswith("USER")][-1] == "USER 10001:10001"
        copied = [
            word for line in lines if line.startswith("COPY") and "--from" not in line for word in line.split()[1:-1]
        ]
        ignored = (CHECKOUT / ".dockerignore").read_text().splitlines()
        allowed = [line.removeprefix("!") for line in ignored if line.startswith("!")]
        for name in (word for word in copied if not word.startswith("--")):
            assert any(Path(name).match(pattern) for pattern in allowed), f"{path.name} copies {name}"


def test_dockerignore_admits_what_it_names_and_nothing_else():
    lines = (CHECKOUT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert all(rule.startswith("!") or rule == "**/__pycache__" for rule in rules[1:])


def test_wheel_holds_every_file_of_the_packages(tmp_path):
    source = tmp_path / "source"
    for name in PACKAGES:
        shutil.copytree(CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(CHECKOUT / name, source / name)
    wanted = {
        str(path.relative_to(source)) for name in PACKAGES for path in (source / name).rglob("*") if path.is_file()
    }
    build = "from setuptools.build_meta import build_wheel; print(build_wheel('..'))"
    check(sys.executable, "-W", "ignore", "-c", build, cwd=source)
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    assert wanted - held == set()
