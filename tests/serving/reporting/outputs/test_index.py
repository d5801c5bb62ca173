"""The index of runs with outputs."""

import shutil

from serving.reporting.outputs.index import add_to_index, indexed_runs, prune_index
from serving.runs.plan_file import Plan


def test_the_index_outlasts_the_nights_files(world):
    world.fill(1)
    made = Plan.read(world.captioned(output=str(world.home.root / "out")))
    for _ in range(2):
        add_to_index(made)
    shutil.rmtree(made.folder)
    assert list(indexed_runs(world.home.store)) == [made]


def test_images_are_removed_from_a_replays_settings(world):
    paths = world.fill(2)
    add_to_index(Plan.read(world.captioned(replay_images=paths)))
    prune_index(world.home.store, [paths[0]])
    (plan,) = indexed_runs(world.home.store)
    assert plan.settings.replay_images == (paths[1],)


def test_an_empty_store_has_no_index(tmp_path):
    prune_index(tmp_path, ["/in/a.jpg"])
    assert list(indexed_runs(tmp_path)) == []
