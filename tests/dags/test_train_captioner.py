"""Settings files that are missing, and links of the tasks of a training."""

from tests.dags.forms import FIELDS


def test_settings_that_are_not_there_are_an_import_error_of_their_dag_only(facts):
    found = facts["misconfigured"]
    assert set(found["errors"]) == {"train_captioner.py", "caption_nightly.py"}
    assert "/nowhere.yaml" in found["errors"]["train_captioner.py"]
    assert "/no_night.yaml" in found["errors"]["caption_nightly.py"]
    assert set(found["dags"]) == FIELDS.keys() - {"train_captioner", "caption_nightly"}
