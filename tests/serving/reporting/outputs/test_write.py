"""Captions as files beside the table."""

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from pipeline.core.errors import SettingsError
from pipeline.model.interface import Caption
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.schema import HUMAN, SCHEMA
from pipeline.storage.tables.withdraw import withdraw
from serving.night import run_night
from serving.reporting.outputs import amend_outputs, forget_outputs, write, write_outputs
from serving.reporting.outputs.index import naming_files, unwritten_mark
from serving.reporting.outputs.targets import LocalTarget
from serving.reporting.outputs.write import Written
from serving.reporting.report import report
from serving.runs.plan_file import Plan
from tests.serving.night_world import PINNED, ColourCaptioner, image, settings_of
from tests.until import until


@pytest.fixture
def out(world):
    return world.home.root / "out"


def lines(out, night="n1"):
    return [json.loads(line) for line in (out / f"captions-{night}.jsonl").read_text().splitlines()]


def sheet(out, night="n1"):
    return list(csv.DictReader(io.StringIO((out / f"captions-{night}.csv").read_text("utf-8-sig"), newline="")))


def write_by_hand(world, image, caption):
    import pyarrow as pa

    table = CaptionTable(world.home.captions)
    row = {"image": image, "etag": "", "status": "captioned", "caption": caption, "source": HUMAN, "withdrawn": False}
    row["captioned_at"] = world.now
    assert table.append(pa.Table.from_pylist([row], schema=SCHEMA), table.version()) == 1
    table.write_current()


def test_nothing_is_written_unless_asked_for(world):
    world.fill(1)
    assert world.night().output is None


def test_every_image_has_its_line(world, out):
    paths = world.fill(3)
    world.put("bad.jpg", b"")
    summary = world.night(output=str(out), write_csv=True, alternatives=1)
    assert summary.output.records == 4
    found = {line["image"]: line for line in lines(out)}
    assert {image for image, line in found.items() if line["status"] == "captioned"} == set(paths)
    assert found[paths[0]]["alternatives"][0].startswith("<b>")
    assert found[str(world.home.inbox / "bad.jpg")]["reason"] == "empty"
    assert [row["image"] for row in sheet(out)] == [line["image"] for line in lines(out)]
    assert not list(out.rglob("*.txt"))


def test_the_same_run_again_writes_the_same(world, out):
    world.fill(2)
    world.night(output=str(out), write_csv=True, write_sidecars=True)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    report(world.folder() / "plan" / "plan.json")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


class Formulas(ColourCaptioner):
    def caption(self, pixels):
        return [Caption('=HYPERLINK("http://x", "y")', -1.0, ("+1", "fine")) for _ in pixels]


def test_a_spreadsheet_sees_no_formula(world, out):
    world.put("@sum.jpg", image("red"))
    world.night(load=lambda pinned: Formulas(), output=str(out), write_csv=True, alternatives=5)
    assert (out / "captions-n1.csv").read_bytes().startswith(b'\xef\xbb\xbf"image",')
    (row,) = sheet(out)
    assert row["caption"] == '\'=HYPERLINK("http://x", "y")'
    assert row["alternatives"] == "'+1 | fine"
    assert float(row["score"]) == -1.0


def test_text_files_follow_the_images(world, out):
    world.put("deep/er/a.jpg", image((1, 2, 3)))
    world.put("deep/er/a.png", image((9, 9, 9), kind="PNG"))
    summary = world.night(output=str(out), write_sidecars=True, write_jsonl=False)
    assert summary.output.sidecars == 2
    assert (out / "deep/er/a.png.txt").read_text() == "an image of 9 9 9\n"
    assert (out / "deep/er/a.jpg.txt").read_text().startswith("an image of ")
    assert not list(out.glob("captions-*"))


def test_what_a_person_wrote_into_a_text_file_stays(world, out):
    world.fill(2)
    world.night(output=str(out), write_sidecars=True)
    (out / "000.jpg.txt").write_text("my own words\n")
    for name in ("000.jpg", "001.jpg"):
        world.put(name, image("white", (50, 50)))
    summary = world.night("n2", output=str(out), write_sidecars=True)
    assert (summary.output.kept, summary.output.sidecars) == (1, 1)
    assert (out / "000.jpg.txt").read_text() == "my own words\n"
    assert (out / "001.jpg.txt").read_text() == "an image of 255 255 255\n"


def test_a_persons_caption_is_what_every_output_says(world, out):
    paths = world.fill(2)
    world.night(output=str(out), write_sidecars=True)
    write_by_hand(world, paths[0], "a photograph, by hand")
    for name in ("000.jpg", "001.jpg"):
        world.put(name, image("white", (50, 50)))
    world.night("n2", output=str(out), write_sidecars=True, write_csv=True, alternatives=3)
    said = {line["image"]: (line["caption"], line["source"], line["alternatives"]) for line in lines(out, "n2")}
    assert said[paths[0]] == ("a photograph, by hand", "human", [])
    assert said[paths[1]][1] == "model"
    assert {row["caption"] for row in sheet(out, "n2")} == {"a photograph, by hand", "an image of 255 255 255"}
    assert (out / "000.jpg.txt").read_text() == "a photograph, by hand\n"


def test_an_old_night_reported_again_leaves_newer_text_files(world, out):
    world.fill(1)
    world.night(output=str(out), write_sidecars=True)
    world.put("000.jpg", image("white", (50, 50)))
    world.night("n2", output=str(out), write_sidecars=True)
    report(world.folder() / "plan" / "plan.json")
    assert (out / "000.jpg.txt").read_text() == "an image of 255 255 255\n"


def test_the_history_is_read_once_for_many_text_files(world, out, monkeypatch):
    """A night that captions everything again replaces each text file."""
    monkeypatch.setattr("serving.reporting.outputs.write._TEXT_FILES", 2)
    paths, looked, look = world.fill(5), [], CaptionTable.all_captions
    monkeypatch.setattr(CaptionTable, "all_captions", lambda *given: (looked.append(1), look(*given))[1])
    world.night(output=str(out), write_sidecars=True)
    assert looked == []
    for path in paths:
        (out / f"{Path(path).name}.txt").write_text("an image\N{HORIZONTAL ELLIPSIS}\n")  # ours, cut
    report(world.folder() / "plan" / "plan.json")
    assert looked == [1]
    assert (out / "004.jpg.txt").read_text() == "an image of 4 8 99\n"


def test_what_was_withdrawn_is_not_written_again(world, out):
    """The first image falls back to the caption before, the second has none left, the third was never ours to change."""
    paths = world.fill(1)
    asked = {"output": str(out), "write_csv": True, "write_sidecars": True, "alternatives": 1}
    world.night(**asked)
    newer = replace(PINNED, version="4", digest="e" * 64)
    for name in ("000.jpg", "001.jpg", "002.jpg", "003.jpg"):
        paths.append(world.put(name, image("white", (50, 50))))
    captioner = ColourCaptioner(version="4", digest=newer.digest)
    settings = settings_of(experiment=None, **asked)
    run_night(settings, world.home, newer, lambda pinned: captioner, world.attempt("n2"))
    (out / "002.jpg.txt").write_text("my own words\n")
    write_by_hand(world, paths[-1], "by hand")
    table = CaptionTable(world.home.captions)
    assert withdraw(table, "captioner", "4") == 4
    written = report(world.folder("n2") / "plan" / "plan.json").output
    assert written == Written(records=4, sidecars=2, kept=1)
    told = [(line["status"], line["caption"], line["alternatives"]) for line in sorted(lines(out, "n2"), key=image_of)]
    assert told == [("withdrawn", None, [])] * 3 + [("captioned", "by hand", [])]
    assert "255" not in (out / "captions-n2.csv").read_text()
    texts = {path.name: path.read_text() for path in out.glob("*.txt")}
    assert texts == {"000.jpg.txt": f"{table.current(paths)[paths[0]]}\n", "002.jpg.txt": "my own words\n"} | {
        "003.jpg.txt": "by hand\n"
    }


@pytest.fixture
def reported(world, out):
    """A function that corrects the first image while a night is reported, once people's captions were read."""
    paths = world.fill(2)
    world.night(output=str(out), write_csv=True, write_sidecars=True)
    for name in ("captions-n1.jsonl", "captions-n1.csv", "000.jpg.txt"):
        (out / name).unlink()
    made = Plan.read(world.folder() / "plan" / "plan.json")

    def beside(caption):
        with ThreadPoolExecutor() as pool:
            with naming_files(made):
                writing = pool.submit(write_outputs, made)
                until((out / "000.jpg.txt").exists, 30, "no text file")
                write_by_hand(world, paths[0], caption)
            return paths[0], writing.result()

    return beside


@pytest.mark.parametrize("few", [0, 32])
def test_what_a_person_writes_while_a_night_is_reported_stands_in_its_outputs(world, out, reported, monkeypatch, few):
    monkeypatch.setattr(write, "_FEW", few)  # for more the files are written again
    image, written = reported("by hand")
    assert written.records == 2
    assert said(lines(out))[image] == said(sheet(out))[image] == "by hand"
    assert (out / "000.jpg.txt").read_text() == "by hand\n"
    assert not unwritten_mark(world.home.store).exists()


def test_a_report_that_ends_before_it_has_changed_what_it_wrote_leaves_a_mark(world, reported, monkeypatch):
    """So whoever corrects next writes what people said again."""
    monkeypatch.setattr(write, "_amend", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        reported("by hand")
    assert unwritten_mark(world.home.store).exists()


def said(records):
    return {each["image"]: each["caption"] for each in records}


def test_a_correction_changes_what_is_said_of_its_image_alone(world, out):
    paths = world.fill(3)
    world.night(output=str(out), write_csv=True, write_sidecars=True)
    made, before = Plan.read(world.folder() / "plan" / "plan.json"), said(lines(out))
    (out / "captions-n1.csv").unlink()
    write_by_hand(world, paths[2], "by hand")
    amend_outputs(made, paths[2:])
    assert said(lines(out)) == said(sheet(out)) == before | {paths[2]: "by hand"}  # the lost file was written whole
    (out / "001.jpg.txt").write_bytes(b"")  # as a power cut leaves one
    write_by_hand(world, paths[0], "by hand, too")
    amend_outputs(made, paths[:1])
    assert said(lines(out)) == said(sheet(out)) == before | {paths[2]: "by hand", paths[0]: "by hand, too"}
    assert [(out / f"00{number}.jpg.txt").read_text() for number in range(3)] == ["by hand, too\n", "", "by hand\n"]


def test_a_run_whose_first_report_is_to_come_is_left_to_it(world, out):
    paths = world.fill(1)
    world.night(output=str(out))
    made = Plan.read(world.folder() / "plan" / "plan.json")
    made.summary_file.unlink()
    (out / "captions-n1.jsonl").unlink()
    amend_outputs(made, paths)
    assert not list(out.iterdir())


def image_of(line):
    return line["image"]


def test_captions_are_cut_at_a_word_in_the_outputs_only(world, out):
    world.fill(1)
    world.night(output=str(out), write_sidecars=True, max_caption_length=12)
    assert lines(out)[0]["caption"] == "an image of…"
    assert world.rows()[0]["caption"].startswith("an image of ")
    world.put("000.jpg", image("white", (50, 50)))
    assert world.night("n2", output=str(out), write_sidecars=True).output.sidecars == 1
    assert (out / "000.jpg.txt").read_text() == "an image of 255 255 255\n"


def kept(store, uri):
    """Names and bytes of the objects under an address."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    client = store.client()
    found = client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])
    read = (client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in found)
    return {each["Key"].removeprefix(f"{prefix}/"): data for each, data in zip(found, read, strict=True)}


def test_an_output_in_a_bucket_holds_what_a_folder_does(world, out, s3, in_s3):
    world.fill(2)
    world.put("odd/a%2f\n~.jpg", image("red"))
    asked = {"write_csv": True, "write_sidecars": True}
    world.night(output=str(out), **asked)
    local = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    made = Plan.read(world.folder() / "plan" / "plan.json")
    elsewhere = made.model_copy(update={"settings": made.settings.model_copy(update={"output": in_s3})})
    assert write_outputs(elsewhere) == Written(records=3, sidecars=3)
    assert kept(s3[0], in_s3) == local
    assert len(local) == 5
    forget_outputs(elsewhere, [str(world.home.inbox / "000.jpg")])
    assert sorted(kept(s3[0], in_s3)) == sorted(set(local) - {"000.jpg.txt"})


def test_a_night_writes_to_a_bucket_what_nobody_else_wrote(world, s3, in_s3):
    world.fill(2)
    bucket, _, prefix = in_s3.removeprefix("s3://").partition("/")
    s3[0].client().put_object(Bucket=bucket, Key=f"{prefix}/000.jpg.txt", Body=b"my own words")
    summary = world.night(output=in_s3, write_sidecars=True)
    assert (summary.output.sidecars, summary.output.kept) == (1, 1)
    assert kept(s3[0], in_s3)["000.jpg.txt"] == b"my own words"


def test_an_output_must_lie_under_a_root(world, tmp_path_factory):
    world.fill(1)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with pytest.raises(SettingsError, match="NIGHTCAP_ROOTS"):
        world.night(output=str(elsewhere))
    with pytest.raises(SettingsError):
        LocalTarget("s3://bucket/out")
    assert not list(Path(elsewhere).iterdir())
