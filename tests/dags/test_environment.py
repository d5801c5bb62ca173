"""Variables that the DAG files read: the clocks, and errors that name the variable and a remedy."""

from tests.dags.forms import FIELDS


def test_nights_come_by_the_clock_and_trainings_when_asked(facts):
    clocks = {
        kind: [facts[kind]["dags"]["caption_nightly"][key] for key in ("expression", "timezone")]
        for kind in ("usual", "changed")
    }
    assert clocks == {"usual": ["0 2 * * *", "UTC"], "changed": ["30 4 * * 1-5", "Europe/Paris"]}
    assert facts["changed"]["dags"]["train_captioner"]["expression"] is None
    assert facts["usual"]["dags"]["tend_tables"]["expression"] == "0 12 * * 0"


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
