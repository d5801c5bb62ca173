import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline import training_pipeline as stages
from pipeline.core.environment import Home
from pipeline.core.errors import PromotionRefused
from pipeline.registry.lineage import ACCEPTED_TAG, SNAPSHOT_TAG
from pipeline.registry.promotions import (
    GATE_TAG,
    JUDGED_AGAINST_TAG,
    NOBODY,
    PASSED,
    VERDICT_DIGEST_TAG,
    VERDICT_TAG,
    Promotions,
)
from pipeline.registry.versions import (
    CHALLENGER,
    CHAMPION,
    CIDER_TAG,
    DIGEST_TAG,
    ENGINE_TAG,
    REVIEWS_TAG,
    TEST_TAG,
    Registry,
)
from pipeline.release.gate import stage
from pipeline.storage.files import read_json, sha256_file
from pipeline.storage.tables.reviews import CaptionReview, ReviewTable


def scores_of(run):
    return read_json(run.output("evaluate").path / "scores.json")


def client_of(run):
    import mlflow

    return mlflow.MlflowClient(run.home.tracking_uri)


@pytest.fixture(scope="module")
def elsewhere(tiny_run, tmp_path_factory):
    """The same training registered in a registry that tests may change; nothing is promoted there."""
    root = tmp_path_factory.mktemp("elsewhere")
    home = Home(root, tiny_run.home.store, f"sqlite:///{root / 'mlflow.db'}", journal=str(root / "promotions"))
    run, version = stages.register(replace(tiny_run, home=home))
    assert version["version"] == "1"
    return run


@pytest.fixture(scope="module")
def second(elsewhere):
    """The same model with another way of choosing words, registered beside it."""
    settings = elsewhere.settings
    greedy = settings.decoding.model_copy(update={"method": "greedy"})
    run = replace(elsewhere, settings=settings.model_copy(update={"decoding": greedy}))
    run, version = stages.register(stages.run_stage("evaluate", stages.run_stage("calibrate", run)))
    assert version["version"] == "2"
    return run


def test_a_version_carries_its_digest_engine_and_score(tiny_run):
    [version] = Registry(tiny_run.home).versions("captioner")
    scores = scores_of(tiny_run)
    assert version.tags[DIGEST_TAG] == tiny_run.output("bundle").figures()["bundle_digest"]
    assert version.tags[ENGINE_TAG] == "tensorflow-float32"
    assert float(version.tags[CIDER_TAG]) == scores["scores"]["cider_d"]
    assert version.tags[TEST_TAG] == scores["test_digest"]
    assert version.tags[SNAPSHOT_TAG] == tiny_run.done["snapshot"]
    assert version.tags[ACCEPTED_TAG] == tiny_run.done["validate"]
    assert version.tags["verdict"].startswith("there is no champion yet; CIDEr-D ")
    assert (version.tags[GATE_TAG], version.tags[JUDGED_AGAINST_TAG]) == (PASSED, NOBODY)


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
    assert {
        "risk_coverage_gain_at_70",
        "confidence_error",
        "withheld_clean",
        "withheld_blank",
    } <= run.data.metrics.keys()
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
    assert described.startswith("Writes one sentence for a drawn image")
    assert f"CIDEr-D {100 * scores_of(tiny_run)['scores']['cider_d']:.1f} on 12 test images" in described
    client = client_of(tiny_run)
    run = client.get_run(client.get_model_version("captioner", "1").run_id)
    assert run.info.run_name == "scenes: captioner version 1"
    assert run.data.tags["mlflow.note.content"].startswith("Writes one sentence for a drawn image")
    assert "`champion` is the version that nights caption with" in client.get_registered_model("captioner").description
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert "a run for each registered version" in experiment.tags["mlflow.note.content"]


def test_the_same_bundle_registered_again_is_the_same_version(elsewhere):
    client = client_of(elsewhere)
    experiment = client.get_experiment_by_name("captioner").experiment_id
    runs = len(client.search_runs([experiment]))
    again, version = stages.register(elsewhere)
    assert version["version"] == "1"
    assert again.done == elsewhere.done
    assert [item.version for item in Registry(elsewhere.home).versions("captioner") if item.version == "1"] == ["1"]
    assert len(client.search_runs([experiment])) == runs


def test_struck_before_its_run_had_a_name_and_its_alias_was_set_it_gets_them_the_next_time(elsewhere):
    client = client_of(elsewhere)
    client.delete_registered_model_alias("captioner", CHALLENGER)
    struck = Registry(elsewhere.home).version("models:/captioner/1")
    client.update_run(struck.run_id, name="hushed-fox-12")  # as MLflow names a run
    stages.register(elsewhere)
    assert Registry(elsewhere.home).resolve("models:/captioner@challenger").version == "1"
    assert client.get_run(struck.run_id).info.run_name == "scenes: captioner version 1"


def test_the_first_version_may_be_promoted_and_the_champion_stays(elsewhere):
    verdict = stages.gate(elsewhere, "1")
    assert verdict["promote"]
    assert verdict["reason"].startswith("there is no champion yet; CIDEr-D ")
    assert verdict["challenger"] == pytest.approx(scores_of(elsewhere)["scores"]["cider_d"])
    assert (verdict["champion"], verdict["since"]) == (None, 0)
    assert stages.promote_version(elsewhere, "1", verdict, "somebody")["promoted"]
    assert stages.promote_version(elsewhere, "1", verdict, "somebody")["promoted"]  # stopped before it heard of it
    assert Promotions(elsewhere.home).champion("captioner").version == "1"
    [entry] = Promotions(elsewhere.home).journal.entries("captioner")
    assert (entry.who, entry.verdict, entry.why) == ("somebody", verdict["digest"], verdict["reason"])
    again = stages.gate(elsewhere, "1")
    assert not again["promote"]
    assert again["reason"] == "it already is the champion"
    assert not stages.promote_version(elsewhere, "1")["promoted"]


def test_another_bundle_is_another_version_and_the_challenger(elsewhere, second):
    by_number = {item.version: item for item in Registry(second.home).versions("captioner")}
    assert by_number["1"].aliases == (CHAMPION,)
    assert by_number["2"].aliases == (CHALLENGER,)
    assert by_number["1"].tags[DIGEST_TAG] != by_number["2"].tags[DIGEST_TAG]
    assert list(by_number) == ["2", "1"]


@pytest.fixture(scope="module")
def judged(elsewhere, second):
    """The verdict on the second against the first, whose captions were recorded; others stand in MLflow meanwhile."""
    registry = Registry(second.home)
    [first] = [item for item in registry.versions("captioner") if item.version == "1"]
    planted = "".join(json.dumps({"image": name, "caption": "nothing"}) + "\n" for name in images_of(second))
    client_of(second).log_text(first.run_id, planted, "evaluation/captions.jsonl")
    reviews, images, now = ReviewTable.of(second.home.store), [f"/{n}" for n in range(5)], datetime.now(UTC)
    said = {image: "accepted" if image != "/0" else "rejected" for image in images}
    reviews.append(
        CaptionReview(*(each, "captioner", "1", "n1", said[each], "ann", now), audited=True) for each in images
    )
    yield stages.gate(second, "2")
    reviews.forget(images)  # the store is that of other tests, too


def images_of(run):
    return list(run.accepted.references("test"))


def test_a_challenger_is_compared_with_the_champion_s_recorded_captions(elsewhere, second, judged):
    assert judged["challenger"] == pytest.approx(scores_of(second)["scores"]["cider_d"])
    assert judged["champion"] == pytest.approx(scores_of(elsewhere)["scores"]["cider_d"])
    assert not list((second.home.store / "stages").glob("champion_captions/*"))
    whole = read_json(Path(judged["page"]).with_name("verdict.json"))
    assert {key: whole["versions"][key]["version"] for key in ("challenger", "champion")} == {
        "challenger": "2",
        "champion": "1",
    }
    assert whole["trial"]["golden"] == 3
    names = {check["name"] for check in whole["checks"]}
    assert names == {"cider_d", "slices", "health", "chair", "withheld", "confidence", "contamination"}


def test_the_verdict_is_a_tag_a_file_and_a_page_with_both_versions_captions(elsewhere, second, judged):
    file = Path(judged["page"]).with_name("verdict.json")
    tags = Registry(second.home).tags(Registry(second.home).resolve("models:/captioner/2"))
    assert tags[VERDICT_DIGEST_TAG] == judged["digest"] == sha256_file(file)
    assert (tags["verdict"], tags[JUDGED_AGAINST_TAG]) == (judged["reason"], "1")
    [version] = [item for item in Registry(second.home).versions("captioner") if item.version == "2"]
    place = f"gate/{judged['digest'][:12]}"
    logged = {item.path for item in client_of(second).list_artifacts(version.run_id, place)}
    assert {f"{place}/index.html", f"{place}/verdict.json"} <= logged
    page = Path(judged["page"]).read_text()
    assert page.count('src="data:image/jpeg;base64,') == 12
    assert page.count('<div class="foot">') == 12
    assert "version 1 ·" in page
    assert "version 2 ·" in page


def test_the_verdict_comes_with_what_people_said_of_the_champion(second, judged):
    [line] = judged["reviews"]
    assert line.startswith("version 1: of 5 captions that people reviewed, 4 were accepted (38% to 96%)")
    version = Registry(second.home).version("models:/captioner/1")
    assert line == f"version 1: {version.tags[REVIEWS_TAG]}"
    metrics = client_of(second).get_run(version.run_id).data.metrics
    assert (metrics["reviews"], metrics["reviews_accepted"]) == (5, 0.8)


def test_the_same_versions_are_judged_once(second, judged):
    assert stages.gate(second, "2") == judged


def test_where_other_libraries_are_installed_they_are_on_trial_again(second, judged, monkeypatch):
    def fails(home, uri, budget):
        raise PromotionRefused(f"{uri} on trial gives other captions")

    monkeypatch.setattr(stage, "try_version", fails)
    assert stages.gate(second, "2") == judged
    monkeypatch.setattr(stage, "requirements", lambda: ["tensorflow==99"])
    with pytest.raises(PromotionRefused, match="models:/captioner/2 on trial gives other captions"):
        stages.gate(second, "2")
    registry = Registry(second.home)
    pinned = registry.resolve("models:/captioner/2")
    told = json.loads(registry.read_file(pinned, "gate/trial.json"))
    assert told == {"passed": False, "reason": registry.tags(pinned)[VERDICT_TAG]}


def test_a_champion_judged_on_other_images_captions_ours_now(elsewhere, second):
    """Its evaluation is of before images counted, or gone; what the tags say counts for nothing."""
    Registry(second.home).tag("captioner", "1", {CIDER_TAG: "9.0"})
    evaluated = elsewhere.output("evaluate").path
    evaluated.rename(evaluated.with_name(f".{evaluated.name}"))
    margin = second.settings.gate.model_copy(update={"margin_points": -50})
    settings = second.settings.model_copy(update={"gate": margin})
    verdict = stages.gate(replace(second, settings=settings), "2")
    evaluated.with_name(f".{evaluated.name}").rename(evaluated)
    assert verdict["champion"] == pytest.approx(scores_of(elsewhere)["scores"]["cider_d"], abs=0.01)
    assert verdict["promote"]
    assert list((second.home.store / "stages").glob("champion_captions/*"))


def test_a_version_that_was_rolled_back_from_is_not_promoted_again(elsewhere, second):
    promotions = Promotions(second.home)
    promotions.promote("captioner", "2", promotions.journal.last(), "somebody")
    promotions.rollback("captioner", None, "somebody", "wrong colours")
    margin = second.settings.gate.model_copy(update={"margin_points": -50})
    verdict = stages.gate(replace(second, settings=second.settings.model_copy(update={"gate": margin})), "2")
    assert not verdict["promote"]
    assert "somebody rolled back from this version" in verdict["reason"]
    assert "wrong colours" in verdict["reason"]
