import re
import unicodedata
from datetime import UTC, datetime

import pytest

from nightcap.corrections_file import of_known_images, read_corrections
from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.core.spreadsheet import BOM, csv_line
from pipeline.storage.tables import CaptionTable
from tests.pipeline.storage.tables.correction_rows import correction
from tests.pipeline.storage.tables.table_rows import row, rows


@pytest.fixture
def home(tmp_path):
    (tmp_path / "inbox").mkdir()
    return Home(tmp_path, tmp_path / "store", "")


def written(tmp_path, text):
    (tmp_path / "corrections.csv").write_text(text)
    return tmp_path / "corrections.csv"


def test_a_line_may_name_its_person_and_time(tmp_path):
    file = written(
        tmp_path,
        "image,caption,who,when\n/in/a.png,a red dog,bob,2026-01-01T00:00:00+00:00\ns3://bucket/c.png,a cat,,\n",
    )
    first, second = read_corrections(file, "ann").values()
    assert (first.image, first.caption, first.who) == ("/in/a.png", "a red dog", "bob")
    assert first.corrected_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert (second.image, second.who) == ("s3://bucket/c.png", "ann")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,caption\n/in/a.png,\n", ":2: caption of a correction has 0 characters"),
        ("image,caption\n\n/b,a dog, running", ":3: 3 fields, where the first line names 2"),
        ("image,caption,who\n/b,a dog, running", ":2: who is ' running', like the end of a caption"),
        ("image,caption,who\n/b,a dog,running on the beach", ":2: who is 'running on the beach'"),
        ("image,caption,who\n/b,a dog,smiling brown dog", ":2: who is 'smiling brown dog'"),
        ("image,caption,who\n/b,a man,a small dog", ":2: who is 'a small dog'"),
        ("image,caption,who\n/b,a dog, running,ann", ":2: 4 fields, where the first line names 3"),
        ("image,caption\n/b", ":2: 1 fields"),
        ("image,caption,when\n/in/a.png,a dog,yesterday\n", ":2: .*yesterday"),
        ("image,caption,when\n/in/a.png,a dog,2137-01-01T00:00:00Z\n", ":2: when is '2137.* set it right"),
        ("image,caption,when\n/in/a.png,a dog,9999-12-31T23:59:59-12:00\n", ":2: when is '9999"),
        ("image,caption,when\n/in/a.png,a dog,0001-01-01T00:00:00+12:00\n", ":2: when is '0001"),
        ("image,caption\n,\n\n", " has no correction; give a CSV file"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, text, words):
    with pytest.raises(SettingsError, match=f"corrections.csv{words}"):
        read_corrections(written(tmp_path, text), "ann")


@pytest.mark.parametrize(
    "who",
    [
        "anna van berg",
        "maria del mar lopez",
        "nguyen van an",
        "martin luther king",
        "Anna van den Berg",
        "O'Brien, Pat",
        "J. R. R. Tolkien",
        "\u674e \u5c0f \u9f99",
        "user 1000",
    ],
)
def test_names_of_people_are_taken(tmp_path, who):
    """Also with blanks around, in a line that has one after each comma, and in another form of Unicode."""
    typed = unicodedata.normalize("NFD", who)
    for line in (f'/b,a dog,"{typed} "', f'/b, a dog,"{typed}"', f"/b;a dog;{typed}"):
        separator = ";" if ";" in line else ","
        file = written(tmp_path, f"{separator.join(('image', 'caption', 'who'))}\n{line}\n")
        assert [each.who for each in read_corrections(file, None).values()] == [who]


def test_blanks_after_all_commas_are_no_cut_caption(tmp_path):
    file = written(tmp_path, "image, caption, who\n/b, a dog, Anna\n")
    (correction,) = read_corrections(file, None).values()
    assert (correction.caption, correction.who) == ("a dog", "Anna")


@pytest.mark.parametrize("who", ["on the grass", "J. Doe "])
def test_a_name_on_the_command_line_is_no_caption(tmp_path, who):
    (correction,) = read_corrections(written(tmp_path, "image,caption\n/b,a dog\n"), who).values()
    assert correction.who == who.strip()


def test_an_image_is_in_the_table_or_on_disk_and_below_a_root(home, tmp_path):
    seen, gone = str(home.inbox / "seen.png"), str(home.inbox / "Caf\u00e9" / "gone.png")
    (home.inbox / "seen.png").touch()
    CaptionTable(home.captions).append(rows(row(gone), row("/elsewhere/a.png")), 0)
    fine = {2: correction(f"{home.inbox}//seen.png"), 3: correction(unicodedata.normalize("NFD", gone))}
    assert [each.image for each in of_known_images(tmp_path, fine, home)] == [seen, gone]
    assert of_known_images(tmp_path, {2: correction("Caf\u00e9/gone.png")}, home)[0].image == gone
    for image in ("/elsewhere/a.png", "s3://elsewhere/a.png"):
        with pytest.raises(SettingsError, match=r":4: .*lies in none of .*NIGHTCAP_ROOTS.*1 of 3 lines are wrong"):
            of_known_images(tmp_path, fine | {4: correction(image)}, home)


@pytest.mark.parametrize("given", ["/photos/Caf\u00c3\u00a9/IMG_1.jpg", "/photos/Cafe/img_1.JPEG"])
def test_the_name_that_was_meant_is_told(home, tmp_path, given):
    meant = "/photos/Caf\u00e9/IMG_1.jpg"
    CaptionTable(home.captions).append(rows(row(meant), row("/a/IMG_1.jpg"), row("/photos/IMG_2.jpg")), 0)
    with pytest.raises(SettingsError, match=rf":2: no night captioned .*\(perhaps {re.escape(repr(meant))}\)"):
        of_known_images(tmp_path, {2: correction(given)}, home)


def test_a_cell_that_a_list_of_ours_made_harmless_is_read_as_it_was(tmp_path):
    text = BOM + csv_line(["image", "caption"]) + csv_line(["/in/a;=b.png", "a dog"])
    assert [each.image for each in read_corrections(written(tmp_path, text), "ann").values()] == ["/in/a;=b.png"]
