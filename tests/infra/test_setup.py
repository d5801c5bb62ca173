"""infra/setup.sh and the Makefile, with a PATH of our own and stand-ins for Python and uv."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = (
    *("awk", "bash", "cat", "chmod", "cp", "cut", "dirname", "env", "git", "grep", "id", "make", "mkdir", "mv", "rm"),
    *("sed", "sha256sum", "touch"),
)
# Answers only what setup.sh asks: its version, its own path, whether venv is there, and to make an environment.
PYTHON = """#!/usr/bin/env bash
case "$*" in
*version_info*) echo {version} ;;
*_base_executable*) echo "$0" ;;
*ensurepip*) exit {venv} ;;
"-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp {uv} .venv/bin/uv ;;
*) echo "python $*" >>calls ;;
esac
"""
# Notes how it was called, and makes what the real one would.
UV = """#!/usr/bin/env bash
echo "uv $* index=${UV_DEFAULT_INDEX:-}" >>calls
case "$*" in
venv*) mkdir -p .venv/bin && cp "$4" .venv/bin/python ;;
*--editable*) touch .venv/bin/nightcap && chmod +x .venv/bin/nightcap ;;
*sync*) [[ ! -e break_sync ]] ;;
esac
"""


class Machine:
    """A copy of what set-up reads, and the commands that are on its PATH."""

    def __init__(self, folder):
        self.checkout = folder / "checkout"
        self.commands = folder / "commands"
        self.commands.mkdir(parents=True)
        for tool in TOOLS:
            (self.commands / tool).symlink_to(shutil.which(tool))
        (self.checkout / "infra").mkdir(parents=True)
        for name in ("Makefile", "pyproject.toml", "infra/setup.sh"):
            shutil.copy(CHECKOUT / name, self.checkout / name)
        shutil.copytree(CHECKOUT / "requirements", self.checkout / "requirements")

    def add(self, name, text):
        path = self.commands / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def add_python(self, name, version, venv=True):
        uv = self.add("uv-for-venv", UV)
        self.add(name, PYTHON.format(version=version, venv=0 if venv else 1, uv=uv))

    def setup(self, **environment):
        environment = {"PATH": str(self.commands), "HOME": str(self.checkout), **environment}
        result = subprocess.run(
            ["make", "setup"],
            check=False,
            cwd=self.checkout,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return result.returncode, result.stdout.splitlines()

    def calls(self):
        """The calls of uv and pip since the last look."""
        path = self.checkout / "calls"
        told = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [line for line in told if "--version" not in line]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_missing_python_is_named_first(machine):
    code, lines = machine.setup()
    assert code != 0
    assert lines[0].startswith("Python is missing (python3 does not run); Nightcap needs 3.11, 3.12 or 3.13.")
    assert lines[0].endswith("apt-get install -y python3.11 python3.11-venv")


def test_unsupported_python_is_named_first(machine):
    machine.add_python("python3", "3.10")
    code, lines = machine.setup()
    assert code != 0
    assert lines[0].startswith("python3 is Python 3.10; Nightcap needs 3.11, 3.12 or 3.13.")
    assert lines[0].endswith("apt-get install -y python3.11 python3.11-venv")
    assert not (machine.checkout / ".venv").exists()


def test_suggested_python_is_one_that_apt_has(machine):
    machine.add_python("python3", "3.14")
    machine.add("apt-cache", '#!/usr/bin/env bash\n[[ "$2" == python3.12-venv ]]\n')
    assert machine.setup()[1][0].endswith("apt-get install -y python3.12 python3.12-venv")


def test_missing_venv_is_named_first(machine):
    machine.add_python("python3", "3.12", venv=False)
    code, lines = machine.setup()
    assert code != 0
    assert lines[0].startswith("python3-venv is missing for Python 3.12.")
    assert lines[0].endswith("apt-get install -y python3.12-venv")


def test_missing_git_is_named_first_but_stops_nothing(machine):
    machine.add_python("python3", "3.12")
    (machine.commands / "git").unlink()
    code, lines = machine.setup()
    assert code == 0
    assert lines[0].startswith("git is missing")
    assert lines[0].endswith("apt-get install -y git")


def test_only_root_is_spared_sudo(machine):
    (machine.commands / "id").unlink()
    machine.add("id", "#!/usr/bin/env bash\necho 1000\n")
    assert ": sudo apt-get install" in machine.setup()[1][0]


def test_other_pythons_are_tried_before_giving_up_on_python3(machine):
    machine.add_python("python3", "3.14")
    machine.add_python("python3.12", "3.12")
    code, lines = machine.setup()
    assert code == 0
    assert "requirements/python3.12.txt" in " ".join(lines)


def test_python_can_be_chosen_and_changed(machine):
    for version in ("3.11", "3.13"):
        machine.add_python(f"python{version}", version)
    for chosen in ("python3.11", "python3.13"):
        assert machine.setup(PYTHON=chosen)[0] == 0
        assert f"requirements/{chosen}.txt requirements/bootstrap.txt" in " ".join(machine.calls())
    machine.setup(PYTHON="python3.13")
    assert machine.calls() == []


def test_second_run_does_nothing_and_says_nothing(machine):
    machine.add_python("python3", "3.11")
    machine.add("uv", UV)
    assert machine.setup()[0] == 0
    calls = machine.calls()
    assert [line.split()[1] for line in calls] == ["venv", "pip", "pip"]
    assert "--require-hashes" in calls[1]
    assert "--no-deps" in calls[2]
    assert machine.setup() == (0, [])
    assert machine.calls() == []


def test_stamp_is_of_the_lock_the_project_and_the_place(machine):
    machine.add_python("python3", "3.11")
    machine.setup()
    read = ("requirements/python3.11.txt", "requirements/bootstrap.txt", "pyproject.toml")
    digest = hashlib.sha256(b"".join((machine.checkout / name).read_bytes() for name in read)).hexdigest()
    stamp = (machine.checkout / ".venv/nightcap-setup").read_text()
    assert stamp == f"place={machine.checkout}\ndigest={digest}\n"


def test_changed_lock_updates_in_place(machine):
    machine.add_python("python3", "3.11")
    machine.setup()
    machine.calls()
    with (machine.checkout / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    code, lines = machine.setup()
    assert code == 0
    assert lines[0].startswith("Updating .venv")
    assert not any("venv" in line.split()[:3] for line in machine.calls())


def test_half_made_environment_is_made_again(machine):
    machine.add_python("python3", "3.11")
    machine.add("uv", UV)
    (machine.checkout / "break_sync").touch()
    assert machine.setup()[0] != 0
    assert (machine.checkout / ".venv/bin/python").exists()
    leftover = machine.checkout / ".venv/leftover"
    leftover.touch()
    (machine.checkout / "break_sync").unlink()
    assert machine.setup()[0] == 0
    assert not leftover.exists()
    assert machine.setup() == (0, [])


def test_moved_checkout_is_made_again(machine):
    machine.add_python("python3", "3.11")
    machine.setup()
    machine.checkout = machine.checkout.rename(machine.checkout.with_name("moved"))
    machine.calls()
    assert machine.setup()[1][0].startswith("Making .venv")


def test_without_uv_pip_brings_it_by_hash_and_its_index_is_followed(machine):
    machine.add_python("python3", "3.11")
    assert machine.setup(PIP_INDEX_URL="https://packages.invalid/simple")[0] == 0
    pip, sync, _ = machine.calls()
    assert pip.startswith("python -m pip install")
    assert pip.endswith("--require-hashes -r requirements/bootstrap.txt")
    assert sync.endswith("index=https://packages.invalid/simple")


def test_uvs_own_index_wins_over_pips(machine):
    machine.add_python("python3", "3.11")
    machine.setup(PIP_INDEX_URL="https://pip.invalid/simple", UV_DEFAULT_INDEX="https://uv.invalid/simple")
    assert machine.calls()[1].endswith("index=https://uv.invalid/simple")


def make(*arguments):
    # Nothing of the make that may be running these tests: its level, its flags, its TIER.
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        ["make", *arguments], check=False, cwd=CHECKOUT, env=environment, capture_output=True, text=True
    )


def test_make_lists_every_target():
    shown = make()
    phony = next(line for line in (CHECKOUT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:"))
    assert shown.returncode == 0
    assert [line.split()[1] for line in shown.stdout.splitlines()] == phony.split()[1:]
    assert all(len(line.split()) > 3 for line in shown.stdout.splitlines())


def test_make_refuses_an_unknown_tier():
    shown = make("test", "TIER=al")
    assert shown.returncode != 0
    assert 'TIER is "al"; it must be fast or all' in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (("test",), '.venv/bin/python -m pytest -n 2 --no-loadscope-reorder -p tests.unsteady -m "not integration"'),
        (("test", "TIER=all", "WORKERS=0"), ".venv/bin/python -m pytest -n 0 --no-loadscope-reorder -p tests.unsteady"),
        (("run",), ".venv/bin/nightcap run"),
        (("run", "EXIT=1"), ".venv/bin/nightcap run --exit"),
    ],
)
def test_make_sets_up_and_then_calls(arguments, command):
    steps = make("--dry-run", *arguments).stdout.splitlines()
    assert [step.strip() for step in steps] == ["infra/setup.sh", command]
