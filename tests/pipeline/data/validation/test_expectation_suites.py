import pandas as pd
import pytest

from pipeline.data.validation.expectation_suites import Suites
from pipeline.data.validation.rules import Rule


def test_a_rule_that_cannot_be_checked_passes_nobody(tmp_path):
    with pytest.raises(RuntimeError, match="'no such fact' on 'absent' could not be checked"):
        Suites(tmp_path).validate(
            "facts", pd.DataFrame({"row": [0]}), [Rule("absent", "no such fact", high=0)], ("row",)
        )


def test_each_rule_has_a_result_with_the_rows_that_fail(tmp_path):
    facts = pd.DataFrame({"row": [7, 8, 9], "words": [1, 5, 99], "problem": ["", "corrupt", ""]}, index=[7, 8, 9])
    rules = [
        Rule("words", "few words", low=2, high=9),
        Rule("problem", "can be decoded", refused=("corrupt",)),
        Rule("words", "a word", low=1),
    ]
    results = Suites(tmp_path).validate("facts", facts, rules, ("row",))
    assert [result.rule for result in results] == rules
    assert [(result.passed, result.rows) for result in results] == [(False, [7, 9]), (False, [8]), (True, [])]
