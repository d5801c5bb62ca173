"""Names that act on a terminal, from a command's arguments and files to console and log."""

import ast
import json
from pathlib import Path

import pytest

from nightcap.cli import main
from nightcap.console import console, echo, echo_json, literal, show
from nightcap.output import destination
from pipeline.core.terminal import escaped

CHECKOUT = Path(__file__).parents[2]
NAME = "a\x1b]52;c;aGk=\x07\u202e\x9b\nnightcap: forged.jpg"


@pytest.fixture
def run(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(each) for each in arguments])
        return ended.value.code, *capsys.readouterr()

    return run


def is_harmless(text):
    return all(escaped(line) == line for line in text.split("\n")) and "\nnightcap: forged" not in text


@pytest.mark.parametrize("arguments", [["caption", NAME], ["explain", NAME], ["caption", "--model", NAME, "."], [NAME]])
def test_a_refused_argument_is_repeated_without_what_it_does(run, arguments):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert is_harmless(err)


def test_what_commands_print_with_does_nothing(capsys):
    row = {"image": NAME}
    with destination(None) as write:
        write(json.dumps(row, ensure_ascii=False) + "\n")
    echo_json(row)
    echo(NAME)
    show(NAME)
    console.print(f"[bold]{literal(NAME)}[/bold]")
    out, err = capsys.readouterr()
    assert is_harmless(out)
    assert is_harmless(err)
    assert [json.loads(line) for line in out.splitlines()[:2]] == [row, row]
    assert len((out + err).splitlines()) == 5


def calls(path):
    """Each call by its dotted name, with its arguments' source."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), ", ".join(map(ast.unparse, node.args))


def test_commands_print_only_through_what_escapes():
    printers = {"print", "typer.echo", "typer.secho", "sys.stdout.write", "sys.stderr.write", "Console.print"}
    own = {"nightcap/console.py", "nightcap/output.py", "nightcap/cli.py"}
    files = [path for path in (CHECKOUT / "nightcap").rglob("*.py") if str(path.relative_to(CHECKOUT)) not in own]
    assert len(files) > 25
    assert [(path.name, name) for path in files for name, _ in calls(path) if name in printers] == []
    marked = [
        text
        for path in files
        for name, text in calls(path)
        if name == "console.print" and text and "literal(" not in text and text != "table"
    ]
    assert marked == []
