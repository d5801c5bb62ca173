import pytest

from pipeline.registry.lineage import ACCEPTED_TAG, SNAPSHOT_TAG, START_TAG, Exposed, Lineage, bundle_of
from pipeline.registry.versions import DIGEST_TAG, Version
from pipeline.storage.stage_outputs import Store
from tests.pipeline.registry.light_registry import home_in
from tests.pipeline.training.training_outputs import train

FIRST, SECOND = "1" * 64, "2" * 64


def version(number, **tags):
    return Version("captioner", number, "", (), tags, 0)


@pytest.fixture
def trained(tmp_path):
    """Outputs of a training, and of a second one with other images that continues its weights."""
    home = home_in(tmp_path)
    first = train(home, "one", {"a.jpg": "train"}, FIRST)
    second = train(home, "two", {"b.jpg": "train"}, SECOND, begun_with=FIRST)
    return Lineage(Store(home.store)), first, second


def test_ancestors_and_descendants(trained):
    lineage, first, second = trained
    bundle = first["bundle"].path
    assert lineage.bundles == {FIRST: bundle, SECOND: second["bundle"].path}
    above = lineage.above([bundle])
    assert {folder.parent.name for folder in above} == {
        "snapshot", "validate", "encoder", "extract_features", "train", "bundle"
    }  # fmt: skip
    assert bundle in lineage.made_from(first["snapshot"].path)
    assert bundle not in lineage.made_from(second["snapshot"].path)
    assert bundle_of(second["start"].path) == FIRST


def test_the_data_of_a_version_by_its_tag_or_by_its_bundle(trained):
    lineage, first, second = trained
    by_bundle = version("1", **{DIGEST_TAG: FIRST})
    assert lineage.trained_on(by_bundle) == first["snapshot"].path
    assert lineage.trained_on(by_bundle, ACCEPTED_TAG) == first["validate"].path
    assert lineage.trained_on(version("1", **{SNAPSHOT_TAG: second["snapshot"].digest})) == second["snapshot"].path
    assert lineage.trained_on(version("1")) is None


@pytest.mark.parametrize("is_tagged", [True, False])
def test_a_version_that_continues_another_has_seen_its_images(trained, is_tagged):
    lineage, first, _ = trained
    one = version("1", **{DIGEST_TAG: FIRST})
    two = version("2", **{DIGEST_TAG: SECOND}, **({START_TAG: FIRST} if is_tagged else {}))
    exposed = lineage.exposed([one, two], {first["snapshot"].path: {"train"}})
    assert exposed == [Exposed(one, frozenset({"train"})), Exposed(two, frozenset({"train"}), (one,))]
    assert [each.version for each in lineage.exposed([one, two], {first["snapshot"].path: {"test"}})] == [one]
