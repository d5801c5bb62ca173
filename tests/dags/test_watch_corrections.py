"""Corrections start trainings where the environment names settings."""


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
