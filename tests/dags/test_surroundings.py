"""What settings of the surroundings make of the DAGs: their clocks, their forms, and errors that say what is wrong."""

from tests.dags.forms import FIELDS, is_allowed


def test_nights_come_by_the_clock_and_trainings_when_asked(facts):
    clocks = {
        kind: [facts[kind]["dags"]["caption_nightly"][key] for key in ("expression", "timezone")]
        for kind in ("usual", "changed")
    }
    assert clocks == {"usual": ["0 2 * * *", "UTC"], "changed": ["30 4 * * 1-5", "Europe/Paris"]}
    assert facts["changed"]["dags"]["train_captioner"]["expression"] is None
    assert facts["usual"]["dags"]["tend_tables"]["expression"] == "0 12 * * 0"


def test_corrections_start_trainings_where_their_settings_are_named(facts):
    usual, configured = facts["usual"]["dags"], facts["configured"]["dags"]
    assert usual["train_captioner"]["assets"] == []
    assert usual["watch_corrections"]["expression"] is None
    assert configured["train_captioner"]["assets"] == ["corrections"]
    assert configured["watch_corrections"]["expression"] == "0 18 * * *"
    params = configured["train_captioner"]["params"]
    filled = {name: param["default"] for name, param in params.items() if param["default"] is not None}
    assert filled == {
        "preset": "flickr8k",
        "training.epochs": 3,
        "source.images": "/in",
        "source.train_annotations": "/a.json",
    }
    assert list(params) == list(usual["train_captioner"]["params"])


def test_settings_that_are_not_there_are_an_import_error_of_their_dag_only(facts):
    found = facts["misconfigured"]
    assert set(found["errors"]) == {"train_captioner.py", "caption_nightly.py"}
    assert "/nowhere.yaml" in found["errors"]["train_captioner.py"]
    assert "/no_night.yaml" in found["errors"]["caption_nightly.py"]
    assert set(found["dags"]) == FIELDS.keys() - {"train_captioner", "caption_nightly"}


def test_a_file_of_night_settings_fills_the_form_of_nights(facts):
    usual, configured = (facts[kind]["dags"]["caption_nightly"]["params"] for kind in ("usual", "configured"))
    changed = {name: param["default"] for name, param in configured.items() if param != usual[name]}
    assert changed == {"stop_at": "23:30", "max_images": None, "output": "s3://captions/out", "input": "/usual"}
    assert facts["configured"]["errors"] == {}
    assert all(is_allowed(param, param["default"]) for param in configured.values())


def test_a_replay_of_a_night_looks_where_that_night_did_unless_the_form_says_otherwise(facts):
    assert facts["replayed_from"] == ["/holiday", "/named"]


def test_a_mistaken_schedule_is_an_import_error_of_its_dag_only(facts):
    (error,) = facts["mistaken"]["errors"].items()
    assert error[0] == "caption_nightly.py"
    assert error[1].endswith("NIGHTCAP_SCHEDULE is 'at night': no cron expression; give one such as 0 2 * * *")
    assert set(facts["mistaken"]["dags"]) == FIELDS.keys() - {"caption_nightly"}


def test_a_mistaken_time_zone_is_an_import_error_that_says_so(facts):
    errors = facts["nowhere"]["errors"]
    assert sorted(errors) == ["caption_nightly.py", "tend_tables.py"]
    for error in errors.values():
        assert error.endswith("NIGHTCAP_TIMEZONE is 'Europe/Pariss': no time zone; give one such as Europe/Paris")


def test_a_mistaken_patience_is_an_import_error_that_says_so(facts):
    (error,) = facts["impatient"]["errors"].values()
    assert error.endswith("NIGHTCAP_APPROVAL_HOURS is 'soon': no number of hours; give one such as 72")


def test_a_mistaken_time_of_the_day_is_an_import_error_that_says_so(facts):
    (error,) = facts["never"]["errors"].values()
    assert "NIGHTCAP_PUBLISHED_BY is '25:00'" in error


def test_a_night_is_late_by_the_clock_and_a_backfill_never(facts):
    found = {kind: facts[kind]["dags"]["caption_nightly"]["deadlines"] for kind in ("usual", "changed")}
    usual = ["2026-01-07T06:00:00+00:00", "2026-01-08T06:00:00+00:00", "2026-03-29T06:00:00+00:00"]
    assert found["usual"] == [{"late": usual, "backfill": None}]
    in_paris = ["2026-01-07T05:00:00+00:00", "2026-01-08T05:00:00+00:00", "2026-03-29T04:00:00+00:00"]
    assert found["changed"] == [{"late": in_paris, "backfill": None}]
    assert {dag: len(each["deadlines"]) for dag, each in facts["usual"]["dags"].items() if each["deadlines"]} == {
        "caption_nightly": 1
    }


def test_a_night_that_somebody_tries_out_is_not_told_of_as_the_night(facts):
    nights = [told for told in facts["told"] if told.startswith("caption_nightly")]
    assert nights == ["caption_nightly scheduled {}", "caption_nightly manual {'held_night': 'n'}"]
    assert len(facts["told"]) - len(nights) == 4  # trainings are begun by people
