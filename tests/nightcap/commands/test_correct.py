"""`nightcap correct`; what a file of corrections may hold is tested in test_corrections_file."""

import pytest

from pipeline.core.environment import Home
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.corrections import CorrectionTable


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTCAP_STORE", str(tmp_path / "store"))
    return Home.from_environment()


@pytest.fixture
def table(home):
    return CorrectionTable(home.store / "corrections")


@pytest.fixture
def images(home):
    home.inbox.mkdir(parents=True, exist_ok=True)
    files = [home.inbox / name for name in ("a.png", "b.png")]
    for file in files:
        file.touch()
    yield files
    for file in files:
        file.unlink()


def written(tmp_path, *lines, columns="image,caption"):
    file = tmp_path / "corrections.csv"
    file.write_text("\n".join([columns, *lines]))
    return file


def test_corrections_are_added_once_each_image_is_found_and_taken_back_again(run, table, images, tmp_path):
    file = written(tmp_path, f"{images[0]},a red dog,bob", f"{images[1]},a cat,", columns="image,caption,who")
    done = run("correct", file, "--who", "ann")
    assert (done.code, done.out) == (0, f"2 corrections (1 by bob, 1 by ann) in {table.uri}\n")
    assert run("correct", written(tmp_path, f"{images[0]},a blue dog"), "--who", "ann").code == 0
    assert run("correct", "--undo", images[0], "--who", "bob").out.startswith("1 corrections taken back")
    assert [(each.caption, each.who) for each in table.read()] == [("a blue dog", "ann"), ("a cat", "ann")]
    assert run("correct", written(tmp_path, f"{images[0]},a blue dog"), "--undo", "--who", "ann").code == 0
    assert [each.caption for each in table.read()] == ["a cat"]
    assert run("correct", "--undo", images[1]).code == 0
    assert table.read() == []
    assert run("correct", "--undo", images[1]).refused(2, "has no such correction")


def test_what_cannot_be_taken_back_is_said_beside_what_is(run, table, images, tmp_path):
    run("correct", written(tmp_path, f"{images[0]},a dog", f"{images[1]},a cat"), "--who", "ann")
    file = written(tmp_path, f"{images[0]},a dog", f"{images[1]},a cow", "/photos/never-seen.jpg,a dog")
    done = run("correct", "--undo", file, "--who", "ann")
    assert done.code == 3
    assert "1 corrections taken back" in done.out
    assert f"no such correction of '/photos/never-seen.jpg', '{images[1]}' by ann" in done.out
    assert [each.caption for each in table.read()] == ["a cat"]


def test_images_that_nobody_knows_are_told_by_line_and_nothing_is_added(run, table, images, tmp_path):
    file = written(tmp_path, f"{images[0]},a dog", "/photos/never-seen.jpg,a dog", "holiday/IMG_7.jpg,a swing")
    assert run("correct", file).refused(
        2,
        "corrections.csv:3: no night captioned '/photos/never-seen.jpg', and there is no file",
        "corrections.csv:4: no night captioned ",
        "holiday/IMG_7.jpg",
        "2 of 3 lines are wrong, so none was added",
    )
    assert table.read() == []


def test_a_correction_is_what_the_table_and_every_output_say_until_it_is_taken_back(
    run, home, inbox, tmp_path, monkeypatch
):
    monkeypatch.setenv("NIGHTCAP_ROOTS", str(inbox))
    out = tmp_path / "out"
    assert run("night", "--input", inbox, "--output", out, "--sidecars", "--night", "one").code == 0
    image, text = str(inbox / "a.jpg"), out / "a.jpg.txt"
    of_model = text.read_text()
    done = run("correct", written(tmp_path, f"{image},a red dog"), "--who", "ann")
    assert done.out.endswith("; outputs of 1 nights were written again\n")
    assert text.read_text() == "a red dog\n"
    assert CaptionTable(home.captions).current([image]) == {image: "a red dog"}
    assert '"a red dog" by ann, ' in run("trace", image).out
    assert run("correct", "--undo", image).out.endswith("; outputs of 1 nights were written again\n")
    assert text.read_text() == of_model
    assert '"a red dog" by ann, ' in run("trace", image).out


def test_a_correction_that_is_not_there_cannot_be_taken_back(run, images, tmp_path):
    file = written(tmp_path, f"{images[0]},a dog")
    assert run("correct", "--undo", file).refused(2, "has no such correction")
