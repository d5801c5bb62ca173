from pipeline.registry.run_artifacts import scrub_run
from pipeline.registry.versions import Registry
from pipeline.storage.files import write_text
from tests.pipeline.registry.light_registry import home_in


def test_mentions_go_from_a_run_and_other_files_stay(tmp_path):
    home, files = home_in(tmp_path), tmp_path / "files"
    write_text(files / "stays.jsonl", '{"image": "b.jpg"}\n')
    write_text(files / "deep/list.jsonl", '{"image": "a.jpg"}\n{"image": "b.jpg"}\n')
    experiment = Registry(home).experiment("trainings")
    from mlflow import MlflowClient

    client = MlflowClient(home.tracking_uri)
    run = client.create_run(experiment).info.run_id
    client.log_artifacts(run, str(files))
    assert scrub_run(home, run, {"a.jpg"}) == 1
    assert scrub_run(home, run, {"a.jpg"}) == 0
    after = tmp_path / "after"
    after.mkdir()
    client.download_artifacts(run, "", str(after))
    assert (after / "deep/list.jsonl").read_text() == '{"image": "b.jpg"}\n'
    assert (after / "stays.jsonl").read_text() == '{"image": "b.jpg"}\n'


def test_a_run_without_artifacts(tmp_path):
    home = home_in(tmp_path)
    experiment = Registry(home).experiment("trainings")
    from mlflow import MlflowClient

    run = MlflowClient(home.tracking_uri).create_run(experiment).info.run_id
    assert scrub_run(home, run, {"a.jpg"}) == 0
