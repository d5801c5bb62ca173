"""docs/reference.md is what the code says."""

import runpy
from pathlib import Path

import pytest

from dags import environment as dag_variables
from pipeline.core.environment import ExternalLimits, Home
from pipeline.core.variables import Variable, variables_of
from serving.runs.config_file import NIGHT_CONFIG

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def lines():
    return list(runpy.run_path(str(CHECKOUT / "infra" / "make_reference.py"))["reference"]())


def test_the_page_is_up_to_date(lines):
    assert (CHECKOUT / "docs" / "reference.md").read_text() == "\n".join(lines) + "\n"


def test_every_declared_variable_is_described_once(lines):
    declared = [variable for kind in (Home, ExternalLimits) for _, variable in variables_of(kind)]
    declared += [NIGHT_CONFIG, *(each for each in vars(dag_variables).values() if isinstance(each, Variable))]
    assert len(declared) > 20
    for variable in declared:
        (row,) = (line for line in lines if line.startswith(f"| {variable.name} |"))
        assert variable.description in row
        assert f"Default: `{variable.default}`." in row or not variable.default
