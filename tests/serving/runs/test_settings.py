"""Settings of a night."""

from datetime import UTC, datetime

import pytest

from pipeline.core.errors import SettingsError
from serving.runs.settings import NightSettings, night_settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_every_setting_is_described_and_limited():
    schema = NightSettings.model_json_schema()["properties"]
    assert all(field.get("description") for field in schema.values())
    for values in ({"max_images": 0}, {"stop_at": "25:00"}, {"time_zone": "Mars/Base"}, {"colour": "red"}):
        (name,) = values
        with pytest.raises(SettingsError, match=name):
            night_settings(values)


@pytest.mark.parametrize(
    ("stop_at", "zone", "end"),
    [
        ("13:00", "UTC", "2026-03-01T13:00:00+00:00"),
        ("12:00", "UTC", "2026-03-02T12:00:00+00:00"),
        ("06:30", "Europe/Paris", "2026-03-02T05:30:00+00:00"),
    ],
)
def test_the_deadline_is_the_next_such_time(stop_at, zone, end):
    deadline = NightSettings(stop_at=stop_at, time_zone=zone).deadline(NOON)
    assert deadline == datetime.fromisoformat(end)
    assert NightSettings().deadline(NOON) is None


def test_limits_are_those_set():
    limits = NightSettings(max_image_bytes=5, max_megapixels=2, min_side=3).limits()
    assert (limits.max_bytes, limits.max_megapixels, limits.min_side) == (5, 2, 3)


@pytest.mark.parametrize(
    ("given", "is_ordinary"),
    [
        ({}, True),
        ({"policy": "everything"}, False),
        ({"replay_night": "n"}, False),
        ({"replay_reasons": ["empty"]}, False),
    ],
)
def test_only_a_night_of_new_images_is_ordinary(given, is_ordinary):
    assert night_settings(given).is_ordinary is is_ordinary


def test_the_order_of_reasons_does_not_make_another_job():
    first, second = (NightSettings(replay_reasons=reasons) for reasons in (("a", "b"), ("b", "a")))
    assert first.asked() == second.asked() != NightSettings(replay_reasons=("a",)).asked()


def test_a_replay_has_all_its_conditions():
    replay = NightSettings(replay_reasons=("a",), replay_night="n", replay_images=("/x",)).replay(("m", "1"))
    assert (replay.reasons, replay.night, replay.images) == (frozenset({"a"}), "n", frozenset({"/x"}))
    assert NightSettings().replay(("m", "1")) is None
