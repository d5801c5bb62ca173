"""`nightcap forget` beside nights in every state, and with lists that name what is no image."""

import json
import os
import shutil
from itertools import count

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

from nightcap.cli import main
from nightcap.forgetting import forget_images
from pipeline.core.errors import ObjectUnavailable
from pipeline.storage.files import read_json
from pipeline.storage.forgotten import intents_of
from pipeline.storage.stage_outputs import Store
from pipeline.storage.tables.maintenance import purge
from serving.publish import publish
from serving.reporting.outputs.targets import LocalTarget
from serving.reporting.report import report
from serving.runs.lifecycle import clear_attempts
from tests.nightcap.forgetting.forgetting import DATA, NAME, Knowing, traces
from tests.serving.night_world import image

OUTPUTS = {"write_csv": True, "write_sidecars": True, "alternatives": 2}


@pytest.fixture
def secret(world, monkeypatch):
    """The address of the image that is to be forgotten, among four."""
    monkeypatch.setenv("NIGHTCAP_HOME", str(world.home.root))
    world.captioner = Knowing()
    world.fill(3)
    return world.put(NAME, DATA)


@pytest.fixture
def out(world):
    return world.home.root / "out"


def forget(world, *images):
    return forget_images(world.home, frozenset(images), world.home.captions, lambda _: None)


def forget_listed(world, text, *options):
    listed = world.home.root.parent / "list.txt"
    listed.write_text(text)
    with pytest.raises(SystemExit) as ended:
        main(["forget", "--images", str(listed), *options])
    return ended.value.code or 0


def others_of(out, night="n1"):
    """The images other than the secret one that each output has."""
    lines = [json.loads(line)["image"] for line in (out / f"captions-{night}.jsonl").read_text().splitlines()]
    sheet = (out / f"captions-{night}.csv").read_text()
    texts = sorted(path.name for path in out.glob("0*.txt"))
    return sorted(path.rpartition("/")[2] for path in lines), sheet.count(".jpg"), texts


NAMES = ["000.jpg", "001.jpg", "002.jpg"]
ALL_OTHERS = (NAMES, 3, [f"{name}.txt" for name in NAMES])


@pytest.mark.parametrize("write", range(1, 7))
def test_while_a_night_writes_its_outputs(world, secret, out, monkeypatch, write):
    """At each file that it opens: JSON lines, CSV, text files."""
    numbers, opening = count(1), LocalTarget.write

    def overtaken(target, name):
        if next(numbers) == write:
            forget(world, secret)
        return opening(target, name)

    monkeypatch.setattr(LocalTarget, "write", overtaken)
    world.night(output=str(out), **OUTPUTS)
    assert next(numbers) > write
    assert list(traces(world.home.root)) == []
    assert others_of(out) == ALL_OTHERS
    assert (world.folder() / "gallery" / "index.html").read_text().count("<img") == 3


def test_a_second_call_finds_what_an_old_release_left_in_outputs(world, secret, out):
    world.night(output=str(out), **OUTPUTS)
    left = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    forget(world, secret)
    for path, data in left.items():
        path.write_bytes(data)
    assert list(traces(world.home.root))
    forget(world, secret)
    assert list(traces(world.home.root)) == []
    assert others_of(out) == ALL_OTHERS


@pytest.mark.parametrize("place", ["write_current", "sweep"])
def test_a_night_that_has_committed_and_goes_on(world, secret, out, monkeypatch, place):
    path = world.captioned(output=str(out), **OUTPUTS)
    owner = "serving.publish.CaptionTable.write_current" if place == "write_current" else "serving.publish.sweep"

    def overtaken(*given):
        monkeypatch.undo()
        forget(world, secret)

    monkeypatch.setattr(owner, overtaken)
    publish(path)
    report(path)
    assert list(traces(world.home.root)) == []
    assert others_of(out) == ALL_OTHERS
    assert (world.folder() / "gallery" / "index.html").read_text().count("<img") == 3


def test_a_night_that_died_after_its_commit_is_reported_by_the_next(world, secret, out, monkeypatch):
    path = world.captioned(output=str(out), **OUTPUTS)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("serving.publish.CaptionTable.write_current", died)
        publish(path)
    forget(world, secret)
    assert list(traces(world.home.root)) == []
    world.night("n2", output=str(out), **OUTPUTS)
    assert others_of(out) == ALL_OTHERS
    assert (world.folder() / "gallery" / "index.html").read_text().count("<img") == 3
    assert list(traces(world.home.root)) == []


def test_a_publisher_whose_run_is_removed_says_so(world, secret, out, monkeypatch):
    path = world.captioned()

    def overtaken(*_):
        monkeypatch.undo()
        forget(world, secret)

    monkeypatch.setattr("serving.publish.guard", overtaken)
    with pytest.raises(Exception, match=r"n1.*was removed"):
        publish(path)
    assert list(traces(world.home.root)) == []
    assert world.night("n2").captioned == 3


def test_a_line_that_names_a_folder_is_no_image(world, secret, out):
    world.night(output=str(out), **OUTPUTS)
    world.captioned("n2", policy="everything")
    before = read_json(world.folder() / "plan" / "plan.json")
    folders = (world.home.inbox, out, world.home.captions)
    assert forget_listed(world, "".join(f"{each}\n" for each in (*folders, secret))) == 3
    assert read_json(world.folder() / "plan" / "plan.json") == before
    assert read_json(next(world.home.store.glob("outputs/n1/*.json")))["input"] == str(world.home.inbox)
    assert list(traces(world.home.root)) == []
    assert others_of(out) == ALL_OTHERS
    assert forget_listed(world, f"{secret}\n") == 0


def test_nights_in_two_tables(world, secret, out):
    two = str(world.home.root / "two")
    world.night(output=str(out), **OUTPUTS)
    world.night("n2", table=two, output=str(out), **OUTPUTS)
    outcome = forget(world, secret)
    assert (outcome.rows, outcome.nights) == (2, 2)
    assert two in outcome.tables
    assert list(traces(world.home.root)) == []
    for night in ("n1", "n2"):
        assert others_of(out, night) == ALL_OTHERS


def test_a_second_call_goes_on_with_the_tables_of_the_first(world, secret):
    """One that no night of the home tells of any more."""
    two = str(world.home.root / "two")
    world.night(table=two)
    shutil.rmtree(world.folder())

    def stop(step):
        if step == "removing captions":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        forget_images(world.home, frozenset([secret]), two, stop)
    outcome = forget(world, secret)
    assert (outcome.rows, outcome.unfinished, two in outcome.tables) == (1, 0, True)
    assert list(traces(world.home.root)) == []


ODD = ["a\nb.jpg", " blank.jpg", "line\u2028end.jpg", "caf\udce9.jpg", 'quo"te.jpg', "back\\\\slash.jpg"]


def test_a_json_list_takes_any_name(world, secret, out):
    for number, name in enumerate(ODD):
        world.put(name, image((9, 9, number)))
    world.night(output=str(out), **OUTPUTS)
    names = [os.fsdecode(os.fsencode(world.home.inbox / name)) for name in ODD]
    assert forget_listed(world, json.dumps([*names, secret]), "--json") == 0
    assert {row["image"] for row in world.rows()} == {str(world.home.inbox / name) for name in NAMES}
    assert others_of(out) == ALL_OTHERS
    page = (world.folder() / "gallery" / "index.html").read_text()
    assert page.count("<img") == 3
    assert world.night("n2").counts.planned == 0


def test_the_likely_name_is_told(world, secret, capsys):
    world.night()
    assert forget_listed(world, f"{secret[:-4]}.JPG\n") == 3
    assert f"perhaps '{secret}'" in "".join(capsys.readouterr())
    assert len(world.rows()) == 4


def test_an_image_that_a_training_has_by_the_same_last_name_is_another(world, secret):
    """Names in snapshots are relative to folders of their own."""

    def snapshot(folder):
        listed = {"image": [NAME], "uri": [f"/elsewhere/{NAME}"], "sha256": ["0" * 64], "split": ["train"]}
        pd.DataFrame(listed).to_parquet(folder / "images.parquet")
        pd.DataFrame({"image": [NAME], "caption": ["a dog"]}).to_parquet(folder / "captions.parquet")

    made = Store(world.home.store).run("snapshot", 1, {}, {"source": "other"}, snapshot)
    assert forget(world, secret).names.unknown.keys() == {secret}
    assert list(pd.read_parquet(made.path / "images.parquet")["image"]) == [NAME]
    assert world.night().counts.planned == 3


def test_a_second_call_goes_on_by_a_relative_name(world, secret, monkeypatch):
    world.night()
    with monkeypatch.context() as patch:
        patch.setattr("nightcap.forgetting.look_for", died)
        with pytest.raises(KeyboardInterrupt):
            forget(world, NAME)
    assert len(world.rows()) == 3
    outcome = forget(world, NAME)
    assert (outcome.names.found, outcome.names.unknown) == ({NAME: secret}, {})
    assert all(intent.state == "done" for intent in intents_of(world.home.store))


def test_a_row_that_the_current_table_alone_has_is_told(world, secret, monkeypatch):
    world.night()
    uri = f"{world.home.captions}_current"
    row = pa.table(DeltaTable(uri).to_pyarrow_table()).filter(pc.field("image") == secret)

    def bring_back(table):
        purge(table)
        write_deltalake(uri, row, mode="append")

    monkeypatch.setattr("nightcap.forgetting.purge", bring_back)
    with pytest.raises(ObjectUnavailable, match=rf"still in 1 rows of {uri}"):
        forget(world, secret)


def test_an_image_that_a_later_night_ignored_leaves_its_page(world, secret):
    world.night()
    world.fill(2, start=50)
    world.night("n2", exclude=("*bride*",))
    assert [secret] in read_json(world.folder("n2") / "plan" / "plan.json")["ignored"].values()
    forget(world, secret)
    assert list(traces(world.home.root)) == []


def test_a_manifest_brings_nothing_back_under_another_spelling(world, secret):
    world.night()
    forget(world, secret)
    manifest = world.home.root / "m.csv"
    status = (world.home.inbox / NAME).stat()
    etag = f"{status.st_size}-{status.st_mtime_ns}"
    keys = "".join(f"{key},{etag},{status.st_size}\n" for key in (f"x/../{NAME}", f"./{NAME}", f".//{NAME}"))
    manifest.write_text(f"key,etag,size\n{keys}")
    assert world.night("n2", manifest=str(manifest)).counts.planned == 0


def test_a_correction_of_a_forgotten_image_is_not_taken(world, secret, capsys):
    world.night()
    forget(world, secret)
    sheet = world.home.root.parent / "corrections.csv"
    sheet.write_text(f"image,caption\n{secret},a bride\n{world.home.inbox}/000.jpg,a colour\n")
    with pytest.raises(SystemExit) as ended:
        main(["correct", str(sheet), "--who", "ann"])
    told = "".join(capsys.readouterr())
    assert not ended.value.code and "1 corrections are of forgotten images and left out" in told, told
    assert list(traces(world.home.root)) == []


def test_upkeep_leaves_a_run_that_has_committed(world, secret, monkeypatch):
    """Its process died before it noted that; the next night still has to write its outputs and page."""
    path = world.captioned()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("serving.publish.sweep", died)
        publish(path)
    world.fill(1, start=50)
    world.captioned("n2")
    for file in world.home.store.glob("nights/**/*"):
        os.utime(file, (1e9, 1e9))
    assert clear_attempts(world.home.store, keep_days=0) == 1
    assert world.folder("n1").exists() and not world.folder("n2").exists()


def died(*_):
    raise KeyboardInterrupt
