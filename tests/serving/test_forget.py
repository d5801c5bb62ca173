"""`nightcap forget` leaves no byte of a picture's name or caption."""

import html
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from night_world import PINNED, ColourCaptioner, picture, settings_of, unexpected

import serving.plan
from nightcap.cli import main
from nightcap.commands.forget import _told
from pipeline.captioner_types import Caption
from pipeline.errors import NightRejected
from pipeline.features import FeatureStore
from pipeline.files import sha256, write_json, write_text
from pipeline.forgotten import Forgotten
from pipeline.housekeeping.trash import TRASH
from pipeline.lineage import SNAPSHOT_TAG, START_TAG, Exposed
from pipeline.registry import DIGEST_TAG, Registry, Version
from pipeline.stages import Store
from pipeline.table import CaptionTable
from serving.choice import Choice
from serving.outputs import LocalPlace
from serving.plan import plan
from serving.publish import publish
from serving.shard import caption_shard

NAME = "zq-wedding/über <bride> & groom.jpg"
SAID, WRITTEN = "a bride in crimson zqvelvet", "two people marry in zqchapel"
DATA = picture((201, 7, 7))


class Knowing(ColourCaptioner):
    """Says something telling of one picture."""

    def caption(self, pixels):
        return [
            Caption(SAID, -0.5, (f"{SAID} alternatively",)) if each.alternatives[0] == "<b>201</b>" else each
            for each in super().caption(pixels)
        ]


@pytest.fixture
def home(world, monkeypatch):
    """Nights that captioned the picture twice, outputs, a training that had it, and a night under way."""
    monkeypatch.setenv("NIGHTCAP_HOME", str(world.home.root))
    world.captioner = Knowing()
    secret = world.put(NAME, DATA)
    world.fill(3)
    outputs = {"output": str(world.home.root / "out"), "write_csv": True, "write_sidecars": True, "alternatives": 2}
    world.night(**outputs)
    (world.home.inbox / NAME).write_bytes(DATA + b"\0")
    world.fill(1, start=50)
    world.night("n2", **outputs)
    training(world.home)
    write_text(world.home.root / "logs" / "night.log", f"before\n{secret} is quarantined\nafter\n")
    write_text(world.home.store / TRASH / "abc" / "list.txt", f"left by a clean-up that was killed: {secret}")
    (world.home.inbox / NAME).write_bytes(DATA + b"\0\0")
    return world, secret, world.captioned("n3")


def training(home):
    """A snapshot under another name, what was made from it, and another snapshot without it."""
    mine = outputs_of(home, "mine", {"bride.jpg": (DATA, WRITTEN), "other.jpg": (b"other", "a dog")})
    outputs_of(home, "theirs", {"other.jpg": (b"other", "a dog")})
    features = FeatureStore(home.store / "features" / "scenes-1")
    features.add([sha256(DATA), sha256(b"other")], np.array([np.full((2, 3), 7), np.full((2, 3), 9)]))
    features.add([sha256(DATA + b"\0")], np.full((1, 2, 3), 7))
    return mine


@pytest.fixture(params=["disk", "S3"])
def registered(home, request):
    """A version from the snapshot with the picture and one from another, and a run with what was evaluated."""
    from mlflow import MlflowClient

    world, secret, _ = home
    place = request.getfixturevalue("s3")[1] + "/mlflow" if request.param == "S3" else world.home.artifacts.as_uri()
    Registry(world.home)  # makes the database
    client = MlflowClient(world.home.tracking_uri)
    run = client.create_run(client.create_experiment("trainings", place)).info.run_id
    (evaluation,) = (path.parent for path in world.home.store.glob("stages/evaluate/*/per_image.parquet") if mine(path))
    client.log_artifacts(run, str(evaluation), "evaluation")
    client.create_registered_model("captioner")
    for snapshot in world.home.store.glob("stages/snapshot/*"):
        tags = {SNAPSHOT_TAG: snapshot.name}
        if mine(snapshot / "images.parquet"):
            client.create_model_version("captioner", "file:///nowhere", run, tags=tags)
        else:
            client.create_model_version("captioner", "file:///nowhere", tags=tags)
    return world, secret, lambda: Path(client.download_artifacts(run, "", tempfile.mkdtemp(dir=world.home.root.parent)))


def mine(table):
    return "bride.jpg" in pd.read_parquet(table)["image"].tolist()


def test_what_mlflow_keeps_of_the_run(registered, capsys):
    world, secret, download = registered
    assert list(traces(download()))
    forget(world, secret)
    after = download()
    assert list(traces(after)) == []
    assert pd.read_parquet(after / "evaluation/per_image.parquet")["image"].tolist() == ["other.jpg"]
    assert (after / "evaluation/samples/other.jpg.html").exists()
    told = capsys.readouterr().out.splitlines()
    (number,) = (each.version for each in Registry(world.home).versions() if each.run_id)
    assert [line for line in told if "version" in line] == [
        f"captioner version {number} was trained on a forgotten picture; train anew without it, then retire it"
    ]


@pytest.mark.parametrize("registered", ["disk"], indirect=True)
def test_a_version_that_continues_one_that_was_trained_on_it(registered, capsys):
    world, secret, _ = registered
    registry = Registry(world.home)
    number = {bool(each.run_id): each.version for each in registry.versions()}
    registry.tag("captioner", number[True], {DIGEST_TAG: "1" * 64})
    registry.tag("captioner", number[False], {START_TAG: "1" * 64})
    forget(world, secret)
    assert (
        f"captioner version {number[False]} was trained on a forgotten picture, through version {number[True]}; "
        "train anew without it, then retire it"
    ) in capsys.readouterr().out.splitlines()


def test_a_version_that_was_judged_on_it_may_hold_it():
    version = Version("captioner", "3", "", (), {}, 0)
    told = _told(Exposed(version, frozenset({"val", "test"})))
    assert "was chosen with and was judged on" in told
    assert told.endswith(
        "may hold the picture itself, in golden/, until `nightcap gc --versions --yes` removes its files"
    )


def outputs_of(home, source, pictures):
    store = Store(home.store)

    def snapshot(folder):
        rows = [(name, f"/data/{name}", sha256(data), "train", len(data)) for name, (data, _) in pictures.items()]
        pd.DataFrame(rows, columns=["image", "uri", "sha256", "split", "bytes"]).to_parquet(folder / "images.parquet")
        said = [(name, 0, text) for name, (_, text) in pictures.items()]
        pd.DataFrame(said, columns=["image", "position", "caption"]).to_parquet(folder / "captions.parquet")

    def evaluation(folder):
        rows = [{"image": name, "caption": text, "cider_d": 1.0} for name, (_, text) in pictures.items()]
        pd.DataFrame(rows).to_parquet(folder / "per_image.parquet")
        write_text(folder / "captions.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        write_json(folder / "scores.json", {"worst": rows, "images": len(rows)})
        for name, (data, text) in pictures.items():
            write_text(folder / "samples" / f"{sha256(data)[:16]}.jpg", "thumbnail")
            write_text(folder / "samples" / f"{name}.html", f"<p>{html.escape(text)}</p>")

    made = store.run("snapshot", 1, {}, {"source": source}, snapshot)
    checked = store.run("validate", 1, {}, {"snapshot": made.digest}, snapshot)
    return store.run("evaluate", 1, {}, {"validate": checked.digest}, evaluation)


def forget(world, *images, **options):
    named = world.home.root.parent / "to-forget.txt"
    named.write_text("".join(f"{image}\n" for image in images))
    with pytest.raises(SystemExit) as ended:
        main(["forget", "--images", str(named)])
    assert not ended.value.code


def traces(root):
    """Files below a folder that still tell of the picture, other than the picture itself."""
    texts = [NAME, NAME.rpartition("/")[2], SAID, WRITTEN, "bride.jpg", sha256(DATA), sha256(DATA + b"\0")]
    spelt = {form.encode() for text in texts for form in (text, json.dumps(text)[1:-1], html.escape(text))}
    for path in root.rglob("*"):
        if not path.is_file() or path.is_relative_to(root / "inbox"):
            continue
        data = path.read_bytes() + str(path.relative_to(root)).encode()
        if path.suffix == ".parquet":
            data += repr(pq.read_table(path).to_pylist()).encode()
        if path.suffix == ".npy":
            data += b"zqvelvet" if (np.load(path) == 7).any() else b""
        if b"zq" in data or any(form in data for form in spelt):
            yield path


def test_no_byte_stays(home):
    world, secret, begun = home
    assert len(list(traces(world.home.root))) > 15
    kept = {row["image"]: row["caption"] for row in world.rows(current=True) if row["image"] != secret}
    forget(world, secret)
    assert list(traces(world.home.root)) == []
    assert {row["image"]: row["caption"] for row in world.rows(current=True)} == kept
    assert not Path(begun).exists()


def test_what_is_not_forgotten_stays(home):
    world, secret, _ = home
    forget(world, secret)
    for night, pictures in (("n1", 3), ("n2", 1)):
        page = (world.folder(night) / "gallery" / "index.html").read_text()
        assert page.count("<img") == pictures
        assert len((world.home.root / "out" / f"captions-{night}.jsonl").read_text().splitlines()) == pictures
    assert (world.home.root / "out" / "000.jpg.txt").exists()
    features = FeatureStore(world.home.store / "features" / "scenes-1")
    assert (features.gather([sha256(b"other")]) == 9).all()
    pages = sorted(path.name for path in world.home.store.glob("stages/evaluate/*/samples/*"))
    assert pages == [f"{sha256(b'other')[:16]}.jpg"] * 2 + ["other.jpg.html"] * 2
    for table in world.home.store.glob("stages/*/*/*.parquet"):
        assert pd.read_parquet(table)["image"].tolist() == ["other.jpg"]
    assert (world.home.inbox / NAME).exists()
    assert (world.home.root / "logs" / "night.log").read_text() == "before\nafter\n"


def test_it_is_not_captioned_again(home):
    world, secret, _ = home
    forget(world, secret)
    assert secret in Forgotten.of(world.home.store)
    counts = world.night("n4", load=unexpected).counts
    assert (counts.planned, counts.unchanged) == (0, 5)


def test_a_night_under_way_cannot_bring_it_back(home, monkeypatch):
    """Its parts were read before the picture was forgotten, and are committed after."""
    world, secret, begun = home
    from pipeline.forgotten import remember_to_forget

    remember_to_forget(world.home.store, [secret])
    assert publish(begun)["duplicates"] == 1
    assert [row["night"] for row in world.rows() if row["image"] == secret] == ["n1", "n2"]


@pytest.mark.parametrize("planned_anew", [False, True])
def test_a_shard_at_work_cannot_bring_it_back(home, planned_anew):
    """Its run is removed while it captions, and in one case planned anew before it writes."""
    world, secret, _ = home
    world.put("other.jpg", picture((9, 9, 9)))
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


def test_what_a_killed_shard_wrote_after_its_run_was_removed(home):
    world, secret, _ = home
    run = world.folder("n3")
    parts = shutil.copytree(run / "parts", world.home.root.parent / "kept")
    forget(world, secret)
    shutil.copytree(parts, run / "parts")
    forget(world, secret)
    assert list(traces(world.home.root)) == []


def test_outputs_outlast_their_nights(home):
    """The nights' own files are gone, as `nightcap gc` removes them in time."""
    world, secret, _ = home
    shutil.rmtree(world.home.store / "nights")
    forget(world, secret)
    assert list(traces(world.home.root)) == []
    for night, pictures in (("n1", 3), ("n2", 1)):
        assert len((world.home.root / "out" / f"captions-{night}.jsonl").read_text().splitlines()) == pictures


def test_a_plan_that_is_being_made_does_not_list_it(home, monkeypatch):
    world, secret, _ = home
    world.put("other.jpg", picture((9, 9, 9)))
    going = Choice.go_through

    def overtaken(choice, listing):
        counts = going(choice, listing)
        monkeypatch.undo()
        monkeypatch.setenv("NIGHTCAP_HOME", str(world.home.root))
        forget(world, secret)
        return counts

    monkeypatch.setattr(Choice, "go_through", overtaken)
    assert world.night("n6").counts.planned == 1
    assert list(traces(world.home.root)) == []


def test_what_somebody_else_wrote_into_a_text_file_is_theirs(home):
    world, secret, _ = home
    mine = world.home.root / "out" / f"{NAME}.txt"
    mine.write_text("my own words\n")
    forget(world, secret)
    assert mine.read_text() == "my own words\n"


def test_pictures_nobody_knows(home):
    world, _, _ = home
    before = len(world.rows())
    forget(world, "/nowhere/x.jpg", "s3://bucket/y.jpg")
    assert len(world.rows()) == before
    assert "s3://bucket/y.jpg" in Forgotten.of(world.home.store)
    assert CaptionTable(world.home.captions).version() == 3


def test_forgetting_twice(home):
    world, secret, _ = home
    forget(world, secret)
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
    place, whole = LocalPlace(out), (out / name).read_bytes()
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patched, place.write(name) as file:
        file.write(whole)
        patched.setattr(Path, "unlink", died)
        raise KeyboardInterrupt
    assert any(path.read_bytes() == whole for path in out.rglob(".nightcap-*"))


def test_a_plan_of_which_half_is_taken_for_left_over_is_made_again(home, monkeypatch):
    world, secret, _ = home
    world.put("other.jpg", picture((9, 9, 9)))
    (world.home.inbox / NAME).write_bytes(DATA + b"\0\0\0")
    writing = serving.plan._write_shards

    def overtaken(*given):
        sizes = writing(*given)
        monkeypatch.undo()
        monkeypatch.setenv("NIGHTCAP_HOME", str(world.home.root))
        forget(world, secret)
        return sizes

    monkeypatch.setattr("serving.plan._write_shards", overtaken)
    assert world.night("n6").counts.planned == 1
    assert list(traces(world.home.root)) == []
