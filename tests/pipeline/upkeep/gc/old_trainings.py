"""A home with four versions, their trainings, and one that nobody wants."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from nightcap.cli import main
from pipeline.registry.lineage import ACCEPTED_TAG, SNAPSHOT_TAG
from pipeline.registry.promotions import Promotions
from pipeline.registry.versions import DIGEST_TAG
from tests.pipeline.registry.light_registry import NAME, add_versions, home_in
from tests.pipeline.training.training_outputs import age, train
from tests.pipeline.upkeep.gc.trainings import DEAD


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Four versions with their trainings; the second was champion before the third; and a training that nobody wants."""
    home = home_in(tmp_path_factory.mktemp("template"))
    registry = add_versions(home, "one", "two", "three", "four")
    for version in sorted(registry.versions(NAME), key=lambda each: each.version):
        images = {f"{version.version}.jpg": "train", "shared.jpg": "train"}
        done = train(home, version.version, images, version.tags[DIGEST_TAG])
        tags = {SNAPSHOT_TAG: done["snapshot"].digest, ACCEPTED_TAG: done["validate"].digest}
        registry.tag(NAME, version.version, tags)
    promotions = Promotions(home)
    promotions.promote(NAME, "2", 0, "Ada")
    promotions.promote(NAME, "3", 1, "Ada")
    train(home, "unwanted", {"unwanted.jpg": "train"}, DEAD, encoder="d" * 64)
    return home


@pytest.fixture
def home(template, tmp_path, monkeypatch):
    """A copy of it, in which nothing was used for a month."""
    home = home_in(tmp_path / "home")
    shutil.copytree(template.root, home.root)
    with closing(sqlite3.connect(home.root / "mlflow.db")) as database, database:
        for column in ("source", "storage_location"):
            moved = f"UPDATE model_versions SET {column} = replace({column}, ?, ?)"
            database.execute(moved, (str(template.root), str(home.root)))
    monkeypatch.setenv("NIGHTCAP_HOME", str(home.root))
    age(home.root)
    return home


@pytest.fixture
def gc(capsys):
    def gc(*options):
        with pytest.raises(SystemExit) as ended:
            main(["gc", "--runs", "0", *options])
        assert not ended.value.code
        return capsys.readouterr()

    return gc
