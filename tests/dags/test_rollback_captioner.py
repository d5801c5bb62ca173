"""A rollback is started by hand and changes the captioner."""


def test_it_runs_when_asked_and_updates_the_captioner(dags):
    assert dags["rollback_captioner"]["expression"] is None
    assert dags["rollback_captioner"]["tasks"]["rollback"]["outlets"] == ["captioner"]
