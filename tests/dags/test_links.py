"""Buttons and views that lead to pages."""


def test_captions_stand_in_the_navigation_and_the_images_of_a_night_on_its_run(facts, dags):
    assert (facts["views"]["errors"], facts["views"]["of_no_app"]) == ({}, [])
    told = [(view["name"], view["destination"], view["href"]) for view in facts["views"]["shown"]]
    assert told == [
        ("Captions", "nav", "http://127.0.0.1:8090"),
        ("Images of this night", "dag_run", "http://127.0.0.1:8090/night?run={RUN_ID}"),
    ]
    for task in ("publish", "report"):
        assert dags["caption_nightly"]["tasks"][task]["links"] == ["Images of this night"]


def test_data_docs_are_a_click_away_also_from_what_rejected_the_data(facts, dags):
    tasks = dags["train_captioner"]["tasks"]
    assert tasks["validate"]["links"] == ["Data Docs"]
    assert tasks["register"]["links"] == ["Run in MLflow", "Data Docs"]
    page, docs = "http://mlflow/page", "/store/rejected/1/data_docs/index.html"
    assert facts["rejected"] == {"docs": page, "data_docs": docs, "raised": True}
