"""What Airflow makes of the DAG files: it reads them, quickly, and sees the tasks and retries that we meant."""

from statistics import median

import pytest

ORDER = {
    "train_captioner": {
        "snapshot": [],
        "validate": ["snapshot"],
        "adapt_vocabulary": ["validate"],
        "provide_encoder": ["adapt_vocabulary"],
        "shards": [],
        "extract_shard": ["provide_encoder", "shards"],
        "extract_features": ["extract_shard", "provide_encoder"],
        "train": ["extract_features"],
        "refine": ["train"],
        "calibrate": ["refine"],
        "evaluate": ["calibrate"],
        "register": ["evaluate"],
        "gate": ["register"],
        "ask": ["gate"],
        "approve": ["ask"],
        "promote": ["approve", "gate", "register"],
    },
    "caption_nightly": {
        "plan": [],
        "shards": ["plan"],
        "caption": ["plan", "shards"],
        "publish": ["caption", "plan"],
        "report": ["plan", "publish"],
    },
    "tend_tables": {"upgrade": [], "compact": ["upgrade"], "vacuum": ["compact"], "tend_corrections": []},
    "rollback_captioner": {"rollback": []},
    "watch_corrections": {"count": []},
    "doctor_gpu": {"examine": []},
}


def test_all_files_are_read_without_errors(facts):
    assert facts["usual"]["errors"] == {}
    assert set(facts["usual"]["dags"]) == set(ORDER)


@pytest.mark.parametrize("dag", ORDER)
def test_a_file_is_parsed_quickly_and_imports_nothing_heavy(facts, dag):
    assert [once["heavy"] for once in facts["parsed"][dag]] == [[], [], []]
    assert median(once["seconds"] for once in facts["parsed"][dag]) < 1


@pytest.mark.parametrize("dag", ORDER)
def test_tasks_come_in_their_order(dags, dag):
    assert {name: task["after"] for name, task in dags[dag]["tasks"].items()} == ORDER[dag]


@pytest.mark.parametrize("dag", ORDER)
def test_the_list_of_dags_tells_what_each_does(dags, dag):
    assert len(dags[dag]["description"]) > 40 and dag not in dags[dag]["description"]


@pytest.mark.parametrize("dag", ORDER)
def test_runs_of_a_dag_never_overlap_nor_catch_up(dags, dag):
    assert (dags[dag]["max_active_runs"], dags[dag]["catchup"]) == (1, False)
