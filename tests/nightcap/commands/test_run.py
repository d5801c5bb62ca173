"""`nightcap run`, before it starts anything; whole runs are tests/integration/test_scheduler.py and test_interrupted.py."""

import signal

import pytest

from nightcap.commands.run import SIGNALS, _show_night


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--set", "training.epochs=0"), ("training.epochs", "given 0")),
        (("--set", "epochs=3"), ("'epochs'", "group.field")),
        (("--config", "none.yaml"), ("none.yaml", "No such file")),
        (("--input", "gone"), ("--input", "gone")),
    ],
)
def test_wrong_options_are_one_line_before_anything_starts(run, options, words):
    before = [signal.getsignal(number) for number in SIGNALS]
    assert run("run", *options).refused(2, *words)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_night_that_was_skipped_is_named(capsys):
    _show_night({})
    assert capsys.readouterr().err == "the night found nothing new to caption\n"
