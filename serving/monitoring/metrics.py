"""A night's statistics as metrics, for MLflow and Prometheus alike."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from serving.monitoring.delivery import Metric, Sample
from serving.monitoring.statistics import QUANTILES, NightStatistics
from serving.runs.plan_file import Plan

PREFIX: Final = "nightcap_night_"

NIGHT_METRICS: Final = {
    "images": Metric(
        "status",
        "Images by what became of them: `captioned`, `quarantined`, `left`, `unchanged`, `backlog`, `ignored`, `later` (too new).",
    ),
    "quarantined_images": Metric("reason", "Quarantined images by reason."),
    "quarantined_share": Metric("", "Quarantined images among those captioned or quarantined, 0 to 1."),
    "images_per_second": Metric("", "Captioned and quarantined images a second of one worker, model loaded."),
    "worker_seconds": Metric("", "Seconds that all workers together were at work, models loaded."),
    "words": Metric("statistic", "Words of a caption: `mean`, `p05`, `p50`, `p95`."),
    "score": Metric("statistic", "Mean natural log-probability of a caption's words, likewise."),
    "confidence": Metric("statistic", "Estimated CIDEr-D of a caption, likewise."),
    "distinct_captions": Metric("", "Captions that differ."),
    "top_caption_share": Metric("", "Share of the most frequent caption, 0 to 1."),
    "drift": Metric(
        "sign",
        "Jensen-Shannon divergence from the model's reference, 0 to 1, by sign; of `top_caption` the rise of its share.",
    ),
    "drift_limit": Metric("sign", "The drift above which a night is held back: the setting beyond chance."),
    "drift_is_known": Metric("", "1 if the model has a reference to compare with, else 0."),
    "alarm": Metric("guard", "1 if `quarantine` or `drift` is past its limit, accepted or not, else 0."),
    "published": Metric("", "1 if the night is in the table, 0 if it is held back."),
    "ended_timestamp_seconds": Metric("", "When it was published or held back, seconds since 1970."),
}


def samples_of(plan: Plan, statistics: NightStatistics, ended: datetime, published: bool) -> Iterator[Sample]:
    """All metrics of a night."""
    for status in ("captioned", "quarantined", "left"):
        yield Sample("images", getattr(statistics, status), status)
    for status in ("unchanged", "backlog", "ignored", "later"):
        yield Sample("images", getattr(plan.counts, status), status)
    for reason, count in statistics.reasons.items():
        yield Sample("quarantined_images", count, reason)
    yield Sample("quarantined_share", statistics.quarantined / max(statistics.done, 1))
    if statistics.images_per_second is not None:
        yield Sample("images_per_second", statistics.images_per_second)
    yield Sample("worker_seconds", statistics.seconds)
    for name, spread in statistics.spreads.items():
        for label in ("mean", *QUANTILES):
            yield Sample(name, getattr(spread, label), label)
    yield Sample("distinct_captions", statistics.distinct_captions)
    yield Sample("top_caption_share", statistics.top_caption_share)
    for name, drift in statistics.drifts.items():
        yield Sample("drift", drift.divergence, name)
        yield Sample("drift_limit", drift.limit, name)
    yield Sample("drift_is_known", bool(statistics.drifts))
    for guard in ("quarantine", "drift"):
        yield Sample("alarm", guard in statistics.alarms, guard)
    yield Sample("published", published)
    yield Sample("ended_timestamp_seconds", ended.timestamp())
