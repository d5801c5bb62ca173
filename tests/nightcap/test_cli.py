"""The command line as a whole: help, mistakes in arguments, and what is imported for them."""

import resource
import subprocess
import sys
from importlib.metadata import version

import pytest

COMMANDS = ("train", "caption", "explain", "night", "evaluate", "score", "doctor", "run", "models", "prepare", "prove")
HEAVY = ("tensorflow", "keras", "mlflow", "pandas", "great_expectations", "airflow", "deltalake", "pyarrow")
HELP = """
import sys
from nightcap.cli import main
for arguments in [["--help"], *([name, "-h"] for name in sys.argv[2:]), ["models", "list", "--help"]]:
    try:
        main(arguments)
    except SystemExit as ended:
        assert not ended.code, arguments
print("HEAVY", sorted(set(sys.argv[1].split(",")) & set(sys.modules)))
"""


def seconds_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_all_help_is_there_and_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", HELP, ",".join(HEAVY), *COMMANDS], capture_output=True, text=True, check=True
    )
    assert not done.stderr
    assert done.stdout.count("Usage: nightcap") == len(COMMANDS) + 2
    assert done.stdout.rstrip().endswith("HEAVY []")


def test_help_is_quick(start):
    before = seconds_of_children()
    done = start("--help")
    assert seconds_of_children() - before < 1  # 0.2 s of an idle core, 0.4 s where no bytecode is kept
    assert done.code == 0
    assert not done.err
    assert all(command in done.out for command in COMMANDS)


def test_help_imports_no_command():
    code = (
        "import sys, nightcap.cli; print(sorted({'nightcap.commands', 'pydantic', 'numpy', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_version_is_told(run):
    done = run("--version")
    assert (done.code, done.out.split()) == (0, ["nightcap", version("nightcap")])


@pytest.mark.parametrize("arguments", [(), ("models",), ("prepare",), ("prove",)])
def test_without_a_command_the_help_is_shown(run, arguments):
    done = run(*arguments)
    assert done.code == 2
    assert "Usage: nightcap" in done.out
    assert not done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("captoin",), ("captoin", "nightcap --help")),
        (("models", "lst"), ("lst", "nightcap models --help")),
        (("caption", "--bean", "3", "x"), ("--bean", "nightcap caption --help")),
        (("caption",), ("INPUT", "nightcap caption --help")),
        (("caption", "x", "--beam", "0"), ("--beam", "1")),
        (("caption", "x", "--beam", "wide"), ("--beam", "valid integer")),
        (("caption", "x", "--output", "/"), ("--output", "directory")),
        (("score", "--captions", "x"), ("--annotations",)),
        (("evaluate", "--annotations", "x"), ("--images",)),
        (("night", "--max-images", "0"), ("--max-images", "1")),
    ],
)
def test_mistaken_arguments_are_one_line(run, arguments, words):
    assert run(*arguments).refused(2, *words)


def test_a_relative_home_is_one_line(run, monkeypatch):
    monkeypatch.setenv("NIGHTCAP_HOME", "here")
    assert run("models", "list").refused(2, "NIGHTCAP_HOME", "'here'", "absolute")


def test_what_the_disk_refuses_is_one_line(run, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("NIGHTCAP_HOME", str(tmp_path / "file" / "home"))
    assert run("models", "list").refused(1, str(tmp_path / "file"))
