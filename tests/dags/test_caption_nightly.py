"""The form of nights, filled from a file, and the input of a replay."""

from tests.dags.forms import is_allowed


def test_a_file_of_night_settings_fills_the_form_of_nights(facts):
    usual, configured = (facts[kind]["dags"]["caption_nightly"]["params"] for kind in ("usual", "configured"))
    changed = {name: param["default"] for name, param in configured.items() if param != usual[name]}
    assert changed == {"stop_at": "23:30", "max_images": None, "output": "s3://captions/out", "input": "/usual"}
    assert facts["configured"]["errors"] == {}
    assert all(is_allowed(param, param["default"]) for param in configured.values())


def test_a_replay_of_a_night_looks_where_that_night_did_unless_the_form_says_otherwise(facts):
    assert facts["replayed_from"] == ["/holiday", "/named"]
