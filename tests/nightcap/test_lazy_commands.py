"""Commands by name: the list in the help and the modules say the same."""

from itertools import chain
from pathlib import Path

import pytest

import nightcap.commands
from nightcap.lazy_commands import SECTIONS, imported

SUMMARIES = dict(chain.from_iterable(section.items() for section in SECTIONS.values()))


def test_each_module_of_a_command_is_listed_once():
    modules = {path.stem for path in Path(nightcap.commands.__file__).parent.glob("[!_]*.py")}
    assert modules == SUMMARIES.keys()
    assert sum(map(len, SECTIONS.values())) == len(SUMMARIES)


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_list_says_what_a_command_says_of_itself(name):
    command = imported(name)
    assert command.name == name
    assert " ".join(command.help.split("\n\n")[0].split()) == SUMMARIES[name]
