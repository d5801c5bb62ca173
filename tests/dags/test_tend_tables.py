"""Tables are tended by a clock, in three steps."""


def test_it_runs_weekly_and_an_upgrade_comes_first(dags):
    assert dags["tend_tables"]["expression"] == "0 12 * * 0"
    assert dags["tend_tables"]["tasks"]["compact"]["after"] == ["upgrade"]
    assert dags["tend_tables"]["tasks"]["vacuum"]["after"] == ["compact"]
