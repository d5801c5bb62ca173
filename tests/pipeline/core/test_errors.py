"""Which errors are retried, which end a command with 2, and which belong to one image."""

import inspect

import pytest

from pipeline.core import errors

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_belongs_to_one_branch(kind):
    branches = [branch for branch in (errors.Retryable, errors.Permanent, errors.BadInput) if issubclass(kind, branch)]
    assert issubclass(kind, errors.NightcapError)
    assert len(branches) == (kind is not errors.NightcapError)
    assert kind.exit_code == (2 if issubclass(kind, errors.SettingsError) else 1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_page_of_errors_names_every_class(kind):
    assert kind.__name__ in errors.__doc__


def test_a_bad_input_carries_its_reason():
    assert errors.SourceChanged("another size").reason == "source_changed"
    error = errors.BadImage("truncated", "ends early")
    assert (error.reason, str(error)) == ("truncated", "ends early")
