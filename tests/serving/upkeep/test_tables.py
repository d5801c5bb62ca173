"""Upkeep of the tables of a home."""

import pytest
from deltalake import DeltaTable

from pipeline.core.errors import SettingsError
from serving.upkeep.tables import Tending, TendingSettings


def test_upkeep_between_nights(world):
    for number in range(3):
        world.fill(1, start=number)
        world.night(f"n{number}")
    world.fill(1, start=9)
    world.captioned("waits")
    rows = world.rows()
    tending = Tending(TendingSettings(keep_days=0), world.home)
    assert tending.upgrade() == []
    assert tending.compact() > 0
    removed = tending.vacuum()
    assert removed["files"] > 0
    assert removed["attempts"] == 0
    assert tending.tend_corrections() == {"fewer": 0, "files": 0}
    assert world.rows() == rows
    assert len(DeltaTable(str(world.home.captions)).file_uris()) == 1
    assert world.folder("waits").exists()  # it may be at work


def test_settings_are_checked(world, monkeypatch):
    monkeypatch.setenv("NIGHTCAP_HOME", str(world.home.root))
    assert Tending.of({"keep_days": 3}).settings.keep_days == 3
    assert [Tending.of({"keep_days": days}, least_days=1).settings.keep_days for days in (0, 3)] == [1, 3]
    with pytest.raises(SettingsError, match="keep_days"):
        Tending.of({"keep_days": -1})
    with pytest.raises(SettingsError, match="NIGHTCAP_ROOTS"):
        Tending.of({"table": "/elsewhere/captions"}).compact()
