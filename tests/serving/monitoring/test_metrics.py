"""A night's statistics as metrics."""

from pathlib import Path

from serving.monitoring.metrics import NIGHT_METRICS, samples_of

REFERENCE = Path(__file__).parents[3] / "docs" / "reference.md"


def test_every_metric_is_documented_and_given(compared, statistics_of_night, plan_of_night):
    compared.night(accept_drift=True)
    samples = list(samples_of(plan_of_night(compared), statistics_of_night(compared), compared.now, True))
    assert {sample.metric for sample in samples} == set(NIGHT_METRICS)
    assert all(bool(sample.label) == bool(NIGHT_METRICS[sample.metric].label) for sample in samples)
    page = REFERENCE.read_text()
    assert all(f"`nightcap_night_{name}`" in page for name in NIGHT_METRICS)


def test_the_numbers_are_those_of_the_statistics(compared, statistics_of_night, plan_of_night):
    compared.night(accept_drift=True)
    statistics = statistics_of_night(compared)
    values = {
        sample.name: sample.value for sample in samples_of(plan_of_night(compared), statistics, compared.now, False)
    }
    assert (values["images_captioned"], values["images_quarantined"], values["quarantined_images_empty"]) == (24, 1, 1)
    assert values["quarantined_share"] == 1 / 25
    assert values["drift_level"] == statistics.drifts["level"].divergence
    assert (values["alarm_drift"], values["alarm_quarantine"], values["published"]) == (1, 0, 0)
    assert values["ended_timestamp_seconds"] == compared.now.timestamp()
