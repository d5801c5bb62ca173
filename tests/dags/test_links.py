"""Buttons that lead to pages."""


def test_data_docs_are_a_click_away_also_from_what_rejected_the_data(facts, dags):
    tasks = dags["train_captioner"]["tasks"]
    assert tasks["validate"]["links"] == ["Data Docs"]
    assert tasks["register"]["links"] == ["Run in MLflow", "Data Docs"]
    page, docs = "http://mlflow/page", "/store/rejected/1/data_docs/index.html"
    assert facts["rejected"] == {"docs": page, "data_docs": docs, "raised": True}
