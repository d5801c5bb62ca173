"""Scenario 19: keys that lead elsewhere, are no file names, or are markup; nothing is written outside the output."""

import json
import os
from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.core.environment import Home
from pipeline.core.errors import BadInput
from pipeline.storage.objects import S3Folder, is_hidden, kind_of, open_folder
from pipeline.storage.objects.base import printable
from serving.reporting.outputs import LocalTarget
from tests.serving.night_world import World, image

ODD = [
    "..",
    ".",
    "",
    "%2e%2e",
    "%2F",
    "%00",
    "a b",
    "+",
    "?x=1",
    "#f",
    "ü",
    "\u202e",
    "\0",
    "\n",
    "&amp;",
    "<a>",
    "'",
    '"',
    "\\",
]
part = st.one_of(st.sampled_from(ODD), st.text(st.characters(codec="utf-8"), max_size=6))
key = st.one_of(
    st.lists(part, min_size=1, max_size=5).map("/".join),
    st.integers(1, 1024).map(lambda length: "k" * length),
).filter(lambda text: 0 < len(text.encode()) <= 1024)


@cache
def folder_at(endpoint, uri):
    """Made once: a client takes longer than what is tested."""
    return S3Folder(uri)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(key, st.binary(max_size=20), max_size=12), st.sampled_from(["", "in", "a/b c"]))
def test_19_keys_are_names_only(bucket, objects, prefix):
    below = f"{prefix}/" if prefix else ""
    bucket.objects = {below + name: data for name, data in objects.items()} | {"inner.jpg": b"", "secret/a.jpg": b""}
    bucket.asked.clear()
    folder = folder_at(bucket.endpoint, f"s3://bucket/{prefix}")
    found = {info.name: folder.read(info) for info in folder.list()}
    inside = {name[len(below) :]: data for name, data in bucket.objects.items() if name.startswith(below)}
    wanted = {
        n: d for n, d in inside.items() if kind_of(n) != "other" and not is_hidden(n) and n and not n.endswith("/")
    }
    assert found == wanted
    assert {path for _, path in bucket.asked} == {"/bucket"} | {f"/bucket/{below}{name}" for name in found}


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key)
def test_19_nothing_is_written_outside_the_prefix(bucket, tmp_path_factory, name):
    bucket.asked.clear()
    root = tmp_path_factory.mktemp("out") / "prefix"
    root.mkdir()
    for folder in (folder_at(bucket.endpoint, "s3://bucket/prefix"), open_folder(str(root))):
        try:
            folder.create(name, b"x")
        except BadInput as bad:
            assert bad.reason == "unsafe_name"
    assert all(os.path.normpath(path).startswith("/bucket/prefix/") for _, path in bucket.asked)
    assert [path.name for path in root.parent.iterdir()] == ["prefix"]


NAMES = st.lists(
    st.text(max_size=300) | st.sampled_from(["..", ".", "", "~", "%2e%2e", "\0", "a\\..\\b", "CON"]), max_size=6
)


@given(NAMES.map("/".join) | NAMES.map(lambda parts: "/" + "/".join(parts)))
def test_19_no_name_leads_out_of_an_output(tmp_path_factory, name):
    root = tmp_path_factory.mktemp("place")
    place = LocalTarget(root / "prefix")
    with place.write(name + "/x.txt") as file:
        file.write(b"said")
    written = [path for path in root.rglob("*") if path.is_file()]
    assert len(written) == 1
    assert written[0].is_relative_to(root / "prefix")
    assert place.read(name + "/x.txt") == b"said"


KEYS = [
    "../up.jpg",
    "../../../../../../tmp/up.jpg",
    "/absolute.jpg",
    "a//b.jpg",
    "a/../../b.jpg",
    "./c.jpg",
    "..",
    "%2e%2e%2fd.jpg",
    "nul\0.jpg",
    "line\nbreak.jpg",
    "\u202egpj.jpg",
    "<script>alert(1)</script>.jpg",
    "=1+1.jpg",
    "back\\..\\slash.jpg",
    "é" * 300 + ".jpg",
    "/".join(["deep"] * 150) + ".jpg",
]


def test_19_a_night_of_hostile_keys(bucket, tmp_path):
    """Each image is captioned under its own key, has a text file under the output, and nothing else is anywhere."""
    bucket.objects = {f"in/{key}": image((n, 90, 9)) for n, key in enumerate(KEYS)}
    home = tmp_path / "a" / "b" / "home"
    world = World(Home(home, home / "store", "", ("s3://bucket/in",)))
    out = home / "out"
    summary = world.night(input="s3://bucket/in", output=str(out), write_csv=True, write_sidecars=True)
    assert (summary.captioned, summary.output.sidecars) == (len(KEYS), len(KEYS))
    assert {row["image"] for row in world.rows()} == {printable(f"s3://bucket/in/{key}") for key in KEYS}
    said = {json.loads(line)["image"]: json.loads(line)["caption"] for line in open_lines(out / "captions-n1.jsonl")}
    assert said == {row["image"]: row["caption"] for row in world.rows()}
    assert sorted(path.read_text() for path in out.rglob("*.txt")) == sorted(
        f"{caption}\n" for caption in said.values()
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert {path.name for path in home.iterdir()} == {"out", "places", "store"}
    assert "<script>alert" not in (world.folder() / "gallery" / "index.html").read_text()
    assert {path.partition("/in/")[0] for _, path in bucket.asked} <= {"/bucket"}


def open_lines(path):
    return path.read_text().splitlines()
