"""`nightcap forget` that is killed at any write and called again leaves no byte of a name or a caption.

Beside it lie nights in every state: reported, in another table, captioned, committed, published, and a dead planner's.
"""

import os
import shutil
from datetime import UTC, datetime

import pytest

from nightcap.forgetting import forget_images
from pipeline.storage.files import write_text
from pipeline.storage.tables.corrections import CorrectionTable
from pipeline.storage.tables.reviews import CaptionReview, ReviewTable
from serving.publish import publish
from serving.reporting.report import report
from tests.faults.killing import is_killed
from tests.nightcap.forgetting.forgetting import DATA, NAME, Knowing, traces
from tests.pipeline.storage.tables.correction_rows import correction
from tests.serving.night_world import World, image

SOAK = bool(os.environ.get("NIGHTCAP_SOAK"))
KILLS = 10  # spread over all writes; a soak has them all
OUTPUTS = {"write_csv": True, "write_sidecars": True, "alternatives": 2, "decoders": 1}
pytestmark = pytest.mark.timeout(7200 if SOAK else 600)


def died(*_, **__):
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """A home in a folder, its copy that stays as it is, the image's address, and what each output has of others."""
    root = tmp_path_factory.mktemp("forget") / "home"
    world = World.within(root)
    world.captioner = Knowing()
    secret = world.put(NAME, DATA)
    out, two = str(root / "out"), str(root / "two")
    world.fill(2)
    world.night("n1", output=out, **OUTPUTS)
    world.night("n2", output=out, table=two, **OUTPUTS)
    for night in ("n4", "n5"):
        (world.home.inbox / NAME).write_bytes(DATA + night.encode())
        world.put(f"{night}.jpg", image((len(night), 9, 9)))
        path = world.captioned(night, output=out, **OUTPUTS)
        with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr("serving.publish.sweep" if night == "n4" else "serving.publish.shutil.rmtree", died)
            publish(path)
    (world.home.inbox / NAME).write_bytes(DATA + b"n3")
    world.put("n3.jpg", image((9, 9, 9)))
    world.captioned("n3", output=out, **OUTPUTS)
    dead = shutil.copytree(world.folder("n3") / "plan", world.folder("n6") / ".plan.dead")
    whole = (dead / "00000.jsonl").read_text()
    (dead / "00000.jsonl").write_text(whole[: whole.index("zq-wedding") + 14])
    CorrectionTable(world.home.store / "corrections").append([correction(secret), correction("/b")])
    for name in (secret, "/b"):
        said = CaptionReview(name, "captioner", "3", "n1", "accepted", "ann", datetime.now(UTC))
        ReviewTable.of(world.home.store).append([said])
    write_text(root / "logs" / "night.log", f"before\n{secret} is quarantined\nafter\n")
    shutil.copytree(root, root.with_name("kept"), symlinks=True)
    return world, secret


def restore(world):
    shutil.rmtree(world.home.root)
    shutil.copytree(world.home.root.with_name("kept"), world.home.root, symlinks=True)


def forget(world, secret):
    return forget_images(world.home, frozenset([secret]), world.home.captions, lambda _: None)


def require_forgotten(world):
    """No trace of the image; every other caption in its table, output and gallery; the next night ends what died."""
    root = world.home.root
    assert list(traces(root)) == []
    plans = [world.folder(night) / "plan" / "plan.json" for night in ("n1", "n2", "n4", "n5")]
    for path, others in zip(
        plans, (["000.jpg", "001.jpg"], ["000.jpg", "001.jpg"], ["n4.jpg"], ["n5.jpg"]), strict=True
    ):
        if path.parents[2].name == "n4":
            publish(path)
            report(path)
        lines = (root / "out" / f"captions-{path.parents[2].name}.jsonl").read_text()
        page = (path.parents[1] / "gallery" / "index.html").read_text()
        assert [name in lines and name in page for name in others] == [True] * len(others)
        assert page.count("<img") == len(lines.splitlines()) == len(others)
    assert not world.folder("n3").exists()
    assert [row["image"].rpartition("/")[2] for row in world.rows()] == ["000.jpg", "001.jpg", "n4.jpg", "n5.jpg"]
    assert (root / "logs" / "night.log").read_text() == "before\nafter\n"
    assert [each.image for each in CorrectionTable(world.home.store / "corrections").read()] == ["/b"]
    assert [each.image for each in ReviewTable.of(world.home.store).read()] == ["/b"]
    assert list(traces(root)) == []


def test_killed_at_every_write(nights):
    world, secret = nights
    assert len(list(traces(world.home.root))) > 15
    assert not is_killed(forget, world.home.root, 10**6, world, secret)
    require_forgotten(world)
    writes = int((world.home.root.parent / "writes").read_text())
    for write in range(1, writes + 1) if SOAK else range(2, writes + 1, max(1, writes // KILLS)):
        restore(world)
        assert is_killed(forget, world.home.root, write, world, secret), f"write {write} of {writes}"
        try:
            forget(world, secret)
            require_forgotten(world)
        except Exception as error:
            raise AssertionError(f"killed before write {write} of {writes}") from error
    print(f"\nkilled before {'each' if SOAK else f'{KILLS}'} of {writes} writes")
    assert writes > 60
