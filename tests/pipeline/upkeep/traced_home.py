"""Homes whose images are traced to models, and back."""

from pipeline.registry.lineage import ACCEPTED_TAG, SNAPSHOT_TAG, START_TAG
from pipeline.registry.promotions import GATE_TAG, PASSED, VERDICT_TAG, Promotions
from pipeline.registry.versions import DIGEST_TAG
from pipeline.storage.files import sha256
from pipeline.storage.tables import CaptionTable
from tests.pipeline.registry.light_registry import NAME, add_versions, home_in
from tests.pipeline.storage.tables.table_rows import later, quarantined, row, rows
from tests.pipeline.training.training_outputs import train

IMAGES = {"a.jpg": "train", "b.jpg": "val"}


def traced_home(root):
    """Two versions from two trainings, the first a champion that captioned two nights, the second without tags."""
    home = home_in(root)
    registry = add_versions(home, "one", "two", "three")
    tags = {each.version: each.tags[DIGEST_TAG] for each in registry.versions(NAME)}
    first = train(home, "first", IMAGES | {"spoilt.jpg": "train"}, tags["1"], left_out=["spoilt.jpg"])
    train(home, "second", {"b.jpg": "train"}, tags["2"])
    registry.tag(NAME, "1", {SNAPSHOT_TAG: first["snapshot"].digest, ACCEPTED_TAG: first["validate"].digest})
    registry.tag(NAME, "1", {GATE_TAG: PASSED, VERDICT_TAG: "better by far"})
    Promotions(home).promote(NAME, "1", 0, "Ada")
    seen = sha256(b"a.jpg")
    CaptionTable(home.captions).append(
        rows(
            row("/in/1.jpg", sha256="1" * 64),
            row("/in/1.jpg", etag="e2", sha256="2" * 64, model_version="2", night="n2", run="r2", **later()),
            row("/in/a.jpg", sha256=seen, night="n3", caption="seen before"),
            row("/in/hand.jpg", source="human", model_name=None, model_version=None, night=None, run=None),
            row("/in/lost.jpg", model_version="9"),
            row("/in/folder.jpg", model_name="mine", model_version=""),
            quarantined("/in/bad.jpg", "truncated"),
        ),
        0,
    )
    return home


def continued_home(root):
    """A version that continues one, as its tag says, and one that continues that, as only the store says."""
    home = home_in(root)
    registry = add_versions(home, "one", "two", "three", "four")
    digests = {each.version: each.tags[DIGEST_TAG] for each in registry.versions(NAME)}
    train(home, "first", {"a.jpg": "train", "v.jpg": "val", "t.jpg": "test"}, digests["1"], left_out=["v.jpg"])
    second = train(home, "second", {"b.jpg": "train", "v.jpg": "train"}, digests["2"])
    registry.tag(NAME, "2", {SNAPSHOT_TAG: second["snapshot"].digest, START_TAG: digests["1"]})
    train(home, "third", {"a.jpg": "test"}, digests["3"], begun_with=digests["2"])
    train(home, "fourth", {"d.jpg": "train"}, digests["4"])
    return home
