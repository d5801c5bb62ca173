"""Mentions of some texts leave files of every kind."""

import json

import markupsafe
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.terminal import escaped
from pipeline.storage.scrub import drop_mentions, lines_without, mentions, pruned, scrub, scrub_folder

NAME = "/inbox/ada & bob.jpg"


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_rows_with_a_text_leave_a_parquet_file(tmp_path, kind):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"image": pa.array(["a", NAME, None], kind), "n": [1, 2, 3]}), path)
    assert scrub(path, [NAME])
    assert pq.read_table(path)["n"].to_pylist() == [1, 3]
    assert not scrub(path, [NAME])


def test_lines_and_entries_of_json_go_where_a_value_is_a_text(tmp_path):
    lines = [{"image": "a"}, {"image": NAME}, {"images": ["b", NAME]}]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "x.json").write_text(json.dumps({NAME: 1, "rows": [{"image": NAME}, "kept"], "n": 2}))
    assert scrub_folder(tmp_path, [NAME]) == 2
    assert (tmp_path / "x.jsonl").read_text() == '{"image": "a"}\n'
    assert json.loads((tmp_path / "x.json").read_text()) == {"rows": ["kept"], "n": 2}
    assert lines_without(tmp_path / "x.jsonl", [NAME]) is None


def test_a_page_that_quotes_a_text_as_a_template_does_is_removed(tmp_path):
    text = """O'Neil "the bride" & co"""
    (tmp_path / "page.html").write_text(f"<p>{markupsafe.escape(text)}</p>")
    assert scrub_folder(tmp_path, [text]) == 1


@pytest.mark.parametrize("spelling", [NAME, "/inbox/ada &amp; bob.jpg"])
def test_another_file_that_mentions_a_text_is_removed(tmp_path, spelling):
    (tmp_path / "page.html").write_text(f"<p>{spelling}</p>")
    (tmp_path / "other.html").write_text("<p>/inbox/ada</p>")
    assert scrub_folder(tmp_path, [NAME]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["other.html"]


def test_a_file_named_by_a_text_is_removed_and_a_short_text_is_not_searched(tmp_path):
    (tmp_path / "abc.png").write_bytes(b"pixels")
    (tmp_path / "page.html").write_text("abc")
    assert scrub_folder(tmp_path, ["abc"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_log_loses_lines_in_place(tmp_path):
    path = tmp_path / "night.log"
    path.write_text(f"one\n{json.dumps(NAME)} is corrupt\nthree\n")
    with path.open("a") as writer:
        assert drop_mentions(path, [NAME])
        writer.write("four\n")
    assert path.read_text() == "one\nthree\nfour\n"
    assert not drop_mentions(path, [NAME])


def test_a_value_that_is_a_text_leaves_nothing():
    assert pruned(NAME, [NAME]) is None
    assert pruned({"a": [1, {"b": "c"}]}, [NAME]) == {"a": [1, {"b": "c"}]}


@pytest.mark.parametrize(
    "page",
    [
        "11.jpg is gone",
        "my-1.jpg",
        "sub/1.jpg",
        "\N{CJK UNIFIED IDEOGRAPH-732B}1.jpg",
        "1.jpg.png",
        "1.jpg~",
        f"sha256:{'f' * 48}{'a' * 16}",
        f"{'a' * 16}{'f' * 48}",
    ],
)
def test_a_longer_name_or_number_mentions_nobody(tmp_path, page):
    (tmp_path / "page.html").write_text(page)
    (tmp_path / "11.jpg.html").write_text("")
    assert scrub_folder(tmp_path, ["1.jpg", "a" * 16]) == 0


@pytest.mark.parametrize("page", ["<i>1.jpg</i>", "('1.jpg')", "no 1.jpg.", "1.jpg,2.jpg", f"x/{'a' * 16}.png"])
def test_a_name_or_number_that_stands_alone_is_a_mention(tmp_path, page):
    (tmp_path / "page.html").write_text(page)
    assert scrub_folder(tmp_path, ["1.jpg", "a" * 16]) == 1


@pytest.mark.parametrize(
    "page",
    [
        "<p>Nothing new that night, the night before waited for a night.</p>",
        '<div class="night"><h2>night</h2><th>night</th><code>night</code></div>',
        "one night\nlast night",
        "night.jpg,1\nnight/1,2",
        "nightly",
        "<p>a good\u00a0night</p>",
    ],
)
def test_a_word_of_a_page_is_no_name_without_a_suffix(tmp_path, page):
    (tmp_path / "page.html").write_text(page)
    assert not mentions(page.encode(), ["night"])
    assert scrub_folder(tmp_path, ["night"]) == 0


@pytest.mark.parametrize(
    "page",
    [
        "<td><bdi>night</bdi></td>",
        '<span title="night, 30 pixels">',
        '<img alt="night">',
        "image,caption\nnight,a house",
        'a,"night",b',
        '{"image": "night"}',
        "one\nnight\ntwo",
        "<li>night</li>",
    ],
)
def test_a_name_without_a_suffix_is_a_whole_field(tmp_path, page):
    (tmp_path / "page.html").write_text(page)
    assert mentions(page.encode(), ["night"])
    assert scrub_folder(tmp_path, ["night"]) == 1


def test_an_address_is_found_behind_a_scheme(tmp_path):
    (tmp_path / "page.html").write_text("<a href='file:///in/1.jpg'>")
    assert scrub_folder(tmp_path, ["/in/1.jpg"]) == 1


def test_names_with_odd_breaks_do_not_stop_it(tmp_path):
    """U+2028 ends a line for Python's text, and not in JSON lines."""
    lines = [{"image": "odd\u2028name.jpg"}, {"image": NAME}, {"image": "b"}]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    assert scrub_folder(tmp_path, [NAME]) == 1
    assert [json.loads(line) for line in (tmp_path / "x.jsonl").read_bytes().splitlines()] == [lines[0], lines[2]]


def test_a_line_that_is_cut_short_goes(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"image": "a"}\n{"image": "/inbox/ad')
    assert lines_without(tmp_path / "x.jsonl", ["/nowhere"]) == b'{"image": "a"}\n'


def test_a_log_loses_every_line_of_a_name_with_a_line_break(tmp_path):
    path = tmp_path / "night.log"
    path.write_text("one\n/in/a\nb.jpg is corrupt\ntwo\n")
    assert drop_mentions(path, ["/in/a\nb.jpg"])
    assert path.read_text() == "one\ntwo\n"


def test_a_log_loses_a_name_as_logs_escape_it(tmp_path):
    path = tmp_path / "night.log"
    path.write_text(f"one\n{escaped('/in/a' + chr(10) + 'b.jpg')} is corrupt\n")
    assert drop_mentions(path, ["/in/a\nb.jpg"])
    assert path.read_text() == "one\n"


def test_a_log_that_was_left_half_done_mentions_nothing(tmp_path, monkeypatch):
    path = tmp_path / "night.log"
    path.write_text(f"one\n{NAME} is corrupt\n{'three' * 9}\n")

    def killed(*_):
        raise KeyboardInterrupt

    real = type(path).open

    class Dying:
        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return killed if name == "truncate" else getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

    monkeypatch.setattr(type(path), "open", lambda *given, **named: Dying(real(*given, **named)))
    with pytest.raises(KeyboardInterrupt):
        drop_mentions(path, [NAME])
    monkeypatch.undo()
    assert NAME not in path.read_text()


def test_a_list_of_files_is_without_those_that_go_for_their_name(tmp_path):
    lines = [f"{'0' * 64}  {name}\n" for name in ("samples/ada & bob.jpg.html", "samples/ada & bob.jpg2", "s.json")]
    (tmp_path / "SHA256SUMS").write_text("".join(lines))
    assert scrub(tmp_path / "SHA256SUMS", ["ada & bob.jpg"])
    assert (tmp_path / "SHA256SUMS").read_text() == "".join(lines[1:])
    assert not scrub(tmp_path / "SHA256SUMS", ["ada & bob.jpg"])
    (tmp_path / ".SHA256SUMS.changing").write_text("".join(lines))  # the list while an output is changed
    assert scrub(tmp_path / ".SHA256SUMS.changing", ["ada & bob.jpg"])
    assert (tmp_path / ".SHA256SUMS.changing").read_text() == "".join(lines[1:])
