from dataclasses import replace

import pytest

from pipeline import train_captioner as stages
from pipeline.files import read_json
from pipeline.home import Home
from pipeline.registration.register import CIDER_TAG, TEST_TAG
from pipeline.registry import CHALLENGER, CHAMPION, DIGEST_TAG, ENGINE_TAG, Registry


def scores_of(run):
    return read_json(run.output("evaluate").path / "scores.json")


def client_of(run):
    import mlflow

    return mlflow.MlflowClient(run.home.tracking_uri)


@pytest.fixture(scope="module")
def elsewhere(tiny_run, tmp_path_factory):
    """The same training registered in a registry that tests may change; nothing is promoted there."""
    root = tmp_path_factory.mktemp("elsewhere")
    home = Home(root, tiny_run.home.store, f"sqlite:///{root / 'mlflow.db'}")
    run, version = stages.register(replace(tiny_run, home=home))
    assert version["version"] == "1"
    return run


@pytest.fixture(scope="module")
def second(elsewhere):
    """The same model with another way of choosing words, registered beside it."""
    settings = elsewhere.settings
    greedy = settings.decoding.model_copy(update={"method": "greedy"})
    run = replace(elsewhere, settings=settings.model_copy(update={"decoding": greedy}))
    run, version = stages.register(stages.evaluate(stages.calibrate(run)))
    assert version["version"] == "2"
    return run


def test_a_version_carries_its_digest_engine_and_score(tiny_run):
    [version] = Registry(tiny_run.home).versions("captioner")
    scores = scores_of(tiny_run)
    assert version.tags[DIGEST_TAG] == tiny_run.output("bundle").figures()["bundle_digest"]
    assert version.tags[ENGINE_TAG] == "tensorflow-float32"
    assert float(version.tags[CIDER_TAG]) == scores["scores"]["cider_d"]
    assert version.tags[TEST_TAG] == scores["test_digest"]
    assert version.tags["verdict"] == "there is no champion yet"


def test_its_run_has_settings_curves_scores_and_files(tiny_run):
    [version] = Registry(tiny_run.home).versions("captioner")
    client = client_of(tiny_run)
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags[DIGEST_TAG] == version.tags[DIGEST_TAG]
    assert run.data.params["training.epochs"] == "1"
    assert run.data.params["encoder.name"] == "scenes"
    assert "source.images" not in run.data.params
    assert run.data.metrics["test_cider_d"] == pytest.approx(scores_of(tiny_run)["scores"]["cider_d"])
    assert {"test_bleu_4", "health_unique", "vocabulary_size"} <= run.data.metrics.keys()
    assert {"chair_i", "chair_s", "novel", "gender_error"} <= run.data.metrics.keys()
    assert {"risk_coverage_gain_at_70", "withheld_clean", "withheld_blank"} <= run.data.metrics.keys()
    curves = tiny_run.output("train").figures()["curves"]
    assert [item.value for item in client.get_metric_history(version.run_id, "train_val_loss")] == [
        row["val_loss"] for row in curves
    ]
    found = {
        item.path
        for folder in ("", "data_docs", "evaluation")
        for item in client.list_artifacts(version.run_id, folder)
    }
    assert {
        "model_card.md",
        "data_docs/index.html",
        "evaluation/scores.json",
        "evaluation/samples",
        "evaluation/per_image.parquet",
    } <= found


def test_a_version_is_described_by_its_card(tiny_run):
    described = client_of(tiny_run).get_model_version("captioner", "1").description
    assert described.startswith("Writes one sentence for a drawn picture")
    assert f"CIDEr-D {scores_of(tiny_run)['scores']['cider_d']:.3f} on 12 test pictures" in described


def test_the_same_bundle_registered_again_is_the_same_version(elsewhere):
    client = client_of(elsewhere)
    experiment = client.get_experiment_by_name("captioner").experiment_id
    runs = len(client.search_runs([experiment]))
    again, version = stages.register(elsewhere)
    assert version["version"] == "1"
    assert again.done == elsewhere.done
    assert [item.version for item in Registry(elsewhere.home).versions("captioner") if item.version == "1"] == ["1"]
    assert len(client.search_runs([experiment])) == runs


def test_struck_before_its_alias_was_set_it_gets_it_the_next_time(elsewhere):
    client_of(elsewhere).delete_registered_model_alias("captioner", CHALLENGER)
    assert Registry(elsewhere.home).resolve("models:/captioner/1")
    stages.register(elsewhere)
    assert Registry(elsewhere.home).resolve("models:/captioner@challenger").version == "1"


def test_the_first_version_may_be_promoted_and_the_champion_stays(elsewhere):
    verdict = stages.gate(elsewhere, "1")
    assert verdict == {
        "promote": True,
        "reason": "there is no champion yet",
        "challenger": scores_of(elsewhere)["scores"]["cider_d"],
        "champion": None,
    }
    stages.promote(elsewhere, "1")
    assert Registry(elsewhere.home).champion("captioner").version == "1"
    again = stages.gate(elsewhere, "1")
    assert not again["promote"]
    assert again["reason"] == "it already is the champion"


def test_another_bundle_is_another_version_and_the_challenger(elsewhere, second):
    stages.promote(elsewhere, "1")
    registry = Registry(second.home)
    by_number = {item.version: item for item in registry.versions("captioner")}
    assert by_number["1"].aliases == (CHAMPION,)
    assert by_number["2"].aliases == (CHALLENGER,)
    assert by_number["1"].tags[DIGEST_TAG] != by_number["2"].tags[DIGEST_TAG]
    assert list(by_number) == ["2", "1"]


def test_a_challenger_is_judged_by_the_champion_s_recorded_score(elsewhere, second):
    stages.promote(elsewhere, "1")
    own = scores_of(second)["scores"]["cider_d"]
    registry = Registry(second.home)
    registry.tag("captioner", "1", {CIDER_TAG: str(own - 0.001)})
    assert stages.gate(second, "2")["promote"]
    registry.tag("captioner", "1", {CIDER_TAG: str(own)})
    verdict = stages.gate(second, "2")
    assert not verdict["promote"]
    assert verdict["champion"] == verdict["challenger"] == own
    tags = {item.version: item.tags for item in registry.versions("captioner")}
    assert tags["2"]["verdict"] == verdict["reason"]
    registry.tag("captioner", "1", {CIDER_TAG: str(scores_of(elsewhere)["scores"]["cider_d"])})


def test_a_champion_judged_on_other_pictures_is_judged_again_on_ours(elsewhere, second):
    stages.promote(elsewhere, "1")
    registry = Registry(second.home)
    registry.tag("captioner", "1", {TEST_TAG: "another split", CIDER_TAG: "9.0"})
    verdict = stages.gate(second, "2")
    assert verdict["champion"] == pytest.approx(scores_of(elsewhere)["scores"]["cider_d"], abs=0.01)
    scores = scores_of(elsewhere)
    registry.tag("captioner", "1", {TEST_TAG: scores["test_digest"], CIDER_TAG: str(scores["scores"]["cider_d"])})
