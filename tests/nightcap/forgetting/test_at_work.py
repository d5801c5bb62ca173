"""What nights at work and killed ones still hold of a forgotten image."""

import shutil
from pathlib import Path

import pytest

import serving.planning.plan
from pipeline.core.errors import NightRejected
from serving.caption_shard import caption_shard
from serving.planning.plan import plan
from serving.planning.selection import Selection
from serving.publish import publish
from serving.reporting.outputs import LocalTarget
from tests.nightcap.forgetting.forgetting import DATA, NAME, Knowing, forget, traces
from tests.serving.night_world import PINNED, image, settings_of


def test_a_night_under_way_cannot_bring_it_back(home, monkeypatch):
    """Its parts were read before the image was forgotten, and are committed after."""
    world, secret, begun = home
    from pipeline.storage.forgotten import remember_to_forget

    remember_to_forget(world.home.store, [secret])
    assert publish(begun)["duplicates"] == 1
    assert [row["night"] for row in world.rows() if row["image"] == secret] == ["n1", "n2"]


@pytest.mark.parametrize("planned_anew", [False, True])
def test_a_shard_at_work_cannot_bring_it_back(home, planned_anew):
    """Its run is removed while it captions, and in one case planned anew before it writes."""
    world, secret, _ = home
    world.put("other.jpg", image((9, 9, 9)))
    begun = plan(settings_of(), world.home, PINNED, world.attempt("n5"))["plan"]

    class Slow(Knowing):
        def caption(self, pixels):
            forget(world, secret)
            if planned_anew:
                plan(settings_of(), world.home, PINNED, world.attempt("n5"))
            return super().caption(pixels)

    with pytest.raises(NightRejected, match=r"n5.*removed while a shard of it was at work"):
        caption_shard(begun, 0, lambda _: Slow())
    assert list(traces(world.home.root)) == []
    assert Path(begun).exists() == planned_anew
    assert not list(world.folder("n5").glob("parts/*"))


def test_a_plan_that_is_being_made_does_not_list_it(home, monkeypatch):
    world, secret, _ = home
    world.put("other.jpg", image((9, 9, 9)))
    going = Selection.select

    def overtaken(choice, listing):
        counts = going(choice, listing)
        monkeypatch.undo()
        monkeypatch.setenv("NIGHTCAP_HOME", str(world.home.root))
        forget(world, secret)
        return counts

    monkeypatch.setattr(Selection, "select", overtaken)
    assert world.night("n6").counts.planned == 1
    assert list(traces(world.home.root)) == []


def test_a_plan_of_which_half_is_taken_for_left_over_is_made_again(home, monkeypatch):
    world, secret, _ = home
    world.put("other.jpg", image((9, 9, 9)))
    (world.home.inbox / NAME).write_bytes(DATA + b"\0\0\0")
    writing = serving.planning.plan._write_shards

    def overtaken(*given):
        sizes = writing(*given)
        monkeypatch.undo()
        monkeypatch.setenv("NIGHTCAP_HOME", str(world.home.root))
        forget(world, secret)
        return sizes

    monkeypatch.setattr("serving.planning.plan._write_shards", overtaken)
    assert world.night("n6").counts.planned == 1
    assert list(traces(world.home.root)) == []


def test_what_a_killed_shard_wrote_after_its_run_was_removed(home):
    world, secret, _ = home
    run = world.folder("n3")
    parts = shutil.copytree(run / "parts", world.home.root.parent / "kept")
    forget(world, secret)
    shutil.copytree(parts, run / "parts")
    forget(world, secret)
    assert list(traces(world.home.root)) == []


def test_what_died_over_a_published_night_left_it_in_parts_and_scratch(home, monkeypatch):
    """Stopped after `published.json`, before the parts went; and while a plan, a page and outputs were written."""
    world, secret, begun = home
    with monkeypatch.context() as patched:
        patched.setattr("serving.publish.shutil.rmtree", died)
        with pytest.raises(KeyboardInterrupt):
            publish(begun)
    run, out = world.folder("n3"), world.home.root / "out"
    assert (run / "published.json").exists()
    shown = world.folder("n1")
    shutil.copytree(shown / "gallery", shown / ".gallery.abc")
    for folder in (shown, world.folder("n9"), world.folder("n9").parent / ".r2.abc"):  # the last two never had a plan
        shutil.copytree(shown / "plan", folder / ".plan.abc")
    shutil.copytree(run / "parts", world.folder("n9").parent / ".r2.abc" / "parts")
    for name in ("captions-n1.jsonl", f"{NAME}.txt"):
        half_written(out, name)
    forget(world, secret)
    assert list(traces(world.home.root)) == []
    assert (run / "gallery" / "index.html").exists()
    assert "000.jpg" in (out / "captions-n1.jsonl").read_text()


def died(*_, **__):
    raise KeyboardInterrupt


def half_written(out, name):
    """As a process leaves it that is killed while it writes."""
    place, whole = LocalTarget(out), (out / name).read_bytes()
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patched, place.write(name) as file:
        file.write(whole)
        patched.setattr(Path, "unlink", died)
        raise KeyboardInterrupt
    assert any(path.read_bytes() == whole for path in out.rglob(".nightcap-*"))
