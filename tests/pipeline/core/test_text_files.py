import codecs
import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import SettingsError
from pipeline.core.text_files import csv_rows, file_text, texts_of

UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")


def rows_of(tmp_path, text, encoding="utf-8"):
    file = tmp_path / "rows.csv"
    file.write_bytes(text.encode(encoding))
    return list(csv_rows(file, {"image", "caption"}, "give a list"))


@pytest.mark.parametrize("encoding", UNICODE)
@given(text=st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40))
def test_text_is_read_in_every_encoding_of_unicode(encoding, text):
    given = '{"caption": "' + text
    assert "".join(texts_of(io.BytesIO(given.encode(encoding)), "", "")) == given


@pytest.mark.parametrize("encoding", UNICODE)
def test_a_mark_and_line_ends_are_no_part_of_the_text(tmp_path, encoding):
    (tmp_path / "file").write_bytes("image\r\nCaf\u00e9\rb\n".encode(encoding))
    assert file_text(tmp_path / "file", "") == "image\nCaf\u00e9\nb\n"


@pytest.mark.parametrize(
    "text", ["Café, déjà\u2026", "ein Mädchen\u2019s Straße", "\u201cÇa\u201d 20 m² \u2013 5 €", "¿Qué? mañana"]
)
def test_western_file_text_windows_is_read_and_said(tmp_path, text, caplog):
    (tmp_path / "file.csv").write_bytes(text.encode("cp1252"))
    assert file_text(tmp_path / "file.csv", "") == text
    assert "file.csv is not UTF-8; read as Windows-1252" in caplog.text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("собака на траве", "cp1251"),
        ("żółty pies, biała łódź", "cp1250"),
        ("一只黑狗在雪地里奔跑", "gb18030"),
        ("雪の中を走る黒い犬", "cp932"),
        ("\x81", "latin-1"),
        ("كلب أسود يركض في الثلج", "cp1256"),
    ],
)
def test_other_code_pages_are_refused_rather_than_misread(tmp_path, text, encoding):
    (tmp_path / "file").write_bytes(f"a dog, {text}".encode(encoding))
    with pytest.raises(
        SettingsError, match=r"cannot read .*file: byte \d+ is no UTF-8 .*; save it as UTF-8; give a list"
    ):
        file_text(tmp_path / "file", "give a list")


def test_joined_files_have_a_mark_at_the_beginning_of_each(tmp_path):
    (tmp_path / "file").write_bytes("\ufeff\ufeffa\r\n\ufeffb \ufeffc\n".encode())
    assert file_text(tmp_path / "file", "") == "a\nb \ufeffc\n"
    assert "".join(texts_of(Dripping("x\n\ufeff".encode() * 300), "", "")) == "x\n" * 300


class Dripping(io.BytesIO):
    """A stream that is read in pieces that cut characters and line ends."""

    def read(self, size=-1):
        return super().read(min(size, 257))


@pytest.mark.parametrize("encoding", [*UNICODE, "cp1252"])
def test_a_stream_is_read_as_a_file_is(tmp_path, encoding, caplog):
    text = "image\r\n" * 200 + "Ça, déjà\r\n" * 200
    (tmp_path / "file").write_bytes(text.encode(encoding))
    read = "".join(texts_of(Dripping(text.encode(encoding)), "stream", ""))
    assert read == file_text(tmp_path / "file", "") == text.replace("\r\n", "\n")
    assert ("stream is not UTF-8" in caplog.text) == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"a" * 600 + b"\xe9\xe9\xe9\xe9 dog", 600),
        ("é".encode() * 300 + b"\xe9 dog", 600),
        (b"a" * 600 + "собака".encode("cp1251"), 600),
        (codecs.BOM_UTF16_LE + b"a\0" * 300 + b"b", 602),
    ],
)
def test_the_place_of_a_fault_is_that_in_the_stream(data, place):
    with pytest.raises(SettingsError, match=rf"^cannot read s: byte {place} is no UTF"):
        list(texts_of(Dripping(data), "s", ""))


def test_a_cut_or_missing_file_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(codecs.BOM_UTF16_LE + b"a\0b")
    with pytest.raises(SettingsError, match="UTF-16-LE"):
        file_text(tmp_path / "file", "")
    with pytest.raises(SettingsError, match=r"cannot read .*: No such file or directory; give a list"):
        file_text(tmp_path / "none", "give a list")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    "text",
    [
        "image,caption\n/b,a dog\n",
        "image;caption\r\n/b;a dog\r\n",
        "image\tcaption\n/b\ta dog",
        "sep=;\r\nimage;caption\r\n/b;a dog\r\n",
        '"sep=,"\nimage,caption\n/b,a dog',
        '"Image";CAPTION ;;\n"/b";"a dog";;\n;;;\n',
        "\n\nimage|caption\n\n/b|a dog\n",
    ],
)
def test_a_table_is_read_as_spreadsheets_write_it(tmp_path, text, encoding):
    rows = [{"image": row["image"], "caption": row["caption"]} for _, row in rows_of(tmp_path, text, encoding)]
    assert rows == [{"image": "/b", "caption": "a dog"}]


def test_lines_are_numbered_as_in_the_file(tmp_path):
    assert [line for line, _ in rows_of(tmp_path, 'sep=;\nimage;caption\n\n/a;"a\ndog"\n/b;c\n')] == [5, 6]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image\n/a\n", "lacks the columns caption"),
        ("", "lacks the columns caption, image"),
        ("image;caption\n/a;b;c\n", "rows.csv:2: 3 fields, where the first line names 2"),
        ('image,caption\n/a,"a dog\n', "rows.csv:2: unexpected end of data"),
        ("image,caption\n/a," + "x" * (1 << 20), "a line of more than 1,048,576 characters"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path, text, message):
    with pytest.raises(SettingsError, match=message):
        rows_of(tmp_path, text)


def test_plain_text_is_read_without_a_word(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    (tmp_path / "file").write_text("a dog")
    assert file_text(tmp_path / "file", "") == "a dog"
    assert not caplog.text
