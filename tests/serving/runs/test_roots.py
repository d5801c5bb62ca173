"""Folders that settings may name."""

from dataclasses import replace

import pytest

from pipeline.core.errors import SettingsError
from serving.runs.roots import roots_of, table_of


def test_the_home_is_a_root(world):
    home = replace(world.home, roots=("/photos", "s3://bucket/in"))
    assert roots_of(home) == (str(home.root), "/photos", "s3://bucket/in")


def test_a_table_lies_under_a_root_or_is_the_installations(world, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    home = replace(world.home, table=str(elsewhere / "captions"))
    for named in (None, str(home.captions)):
        assert table_of(home, named).uri == str(home.captions)
    assert table_of(home, str(home.root / "other")).uri == str(home.root / "other")
    with pytest.raises(SettingsError, match="NIGHTCAP_ROOTS"):
        table_of(home, str(elsewhere / "other"))
