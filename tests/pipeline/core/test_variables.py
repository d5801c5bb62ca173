from dataclasses import dataclass

import pytest

from pipeline.core.errors import SettingsError
from pipeline.core.variables import Variable, env, values_of, variables_of

COUNT = Variable("COUNT", "How many.", "3", int, former_name="NUMBER")


@dataclass(frozen=True)
class Shelf:
    name: str = env("SHELF_NAME", "What stands on it.", required=True)
    count: int = env("SHELF_COUNT", "How many.", "3", parse=int)
    token: str = env("SHELF_TOKEN", "Who may look.", secret=True)
    depth: int = 4


@pytest.mark.parametrize(("environ", "value"), [({}, 3), ({"COUNT": " "}, 3), ({"COUNT": " 5 "}, 5)])
def test_a_variable_is_its_parsed_text_or_its_default(environ, value):
    assert COUNT.read(environ) == value


def test_a_former_name_is_read_with_a_warning_and_the_new_one_comes_first(caplog):
    assert COUNT.read({"NUMBER": "7"}) == 7
    assert caplog.messages == ["NUMBER is now called COUNT; the old name is read for this release only"]
    caplog.clear()
    assert COUNT.read({"NUMBER": "7", "COUNT": "8"}) == 8
    assert caplog.messages == []


def test_a_wrong_value_is_named_unless_it_is_secret():
    with pytest.raises(SettingsError, match="COUNT is 'many': invalid literal"):
        COUNT.read({"COUNT": "many"})

    def refuse(text):
        raise ValueError("ask for another")

    with pytest.raises(SettingsError, match=r"^TOKEN: ask for another$"):
        Variable("TOKEN", "Who may look.", parse=refuse, secret=True).read({"TOKEN": "hidden"})


def test_a_dataclass_declares_its_variables():
    assert [(field, variable.name) for field, variable in variables_of(Shelf)] == [
        ("name", "SHELF_NAME"),
        ("count", "SHELF_COUNT"),
        ("token", "SHELF_TOKEN"),
    ]
    assert values_of(Shelf, {"SHELF_NAME": "books"}) == {"name": "books", "count": 3, "token": ""}
    assert Shelf("books") == Shelf("books", 3, "", 4)
    assert "hidden" not in repr(Shelf("books", token="hidden"))
    with pytest.raises(TypeError, match="name"):
        Shelf()
