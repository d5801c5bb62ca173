"""By when a night must be published."""


def test_a_night_is_late_by_the_clock_and_a_backfill_never(facts):
    found = {kind: facts[kind]["dags"]["caption_nightly"]["deadlines"] for kind in ("usual", "changed")}
    usual = ["2026-01-07T06:00:00+00:00", "2026-01-08T06:00:00+00:00", "2026-03-29T06:00:00+00:00"]
    assert found["usual"] == [{"late": usual, "backfill": None}]
    in_paris = ["2026-01-07T05:00:00+00:00", "2026-01-08T05:00:00+00:00", "2026-03-29T04:00:00+00:00"]
    assert found["changed"] == [{"late": in_paris, "backfill": None}]
    assert {dag: len(each["deadlines"]) for dag, each in facts["usual"]["dags"].items() if each["deadlines"]} == {
        "caption_nightly": 1
    }
