from collections import Counter
from types import SimpleNamespace

import pytest

from pipeline.model.interface import EXTERNAL
from pipeline.model.vocabulary import Vocabulary
from pipeline.registry.versions import ENGINE_TAG
from pipeline.release.vocabulary_diff import compare, compared_words, published_words
from pipeline.storage.tables import CaptionTable
from tests.pipeline.registry.light_registry import NAME, add_versions, home_in
from tests.pipeline.storage.tables import table_rows
from tests.registered_bundle import make_champion


def test_what_comes_goes_and_moves_is_counted():
    old, new = Vocabulary.of(["a", "dog", "cat", "runs"]), Vocabulary.of(["a", "dog", "runs", "bird"])
    found = compare(new, old, ["A dog runs", "a bird"], Counter({"cat": 3}))
    assert (found["size"], found["champion_size"]) == (8, 8)
    assert (found["added_words"], found["lost_words"]) == (["bird"], ["cat"])
    assert (found["added"], found["lost"], found["moved"], found["lost_published"]) == (1, 1, 1, 1)
    assert found["coverage"] == 1
    assert found["champion_coverage"] == pytest.approx(4 / 5)
    assert found["lost_published_words"] == [("cat", 3)]


def test_only_what_models_wrote_and_nobody_withdrew_is_published(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    assert published_words(table, {"cat"}) == Counter()
    table.append(
        table_rows.rows(
            table_rows.row("1", caption="a cat and a cat"),
            table_rows.row("2", caption="a dog"),
            table_rows.row("3", caption="a cat", withdrawn=True),
            table_rows.row("4", caption="a cat", source="human"),
            table_rows.quarantined("5", "truncated"),
        ),
        0,
    )
    assert published_words(table, {"cat", "bird"}) == Counter({"cat": 2})
    assert published_words(table, {"dog", "a"}) == Counter({"a": 3, "dog": 1})
    assert published_words(table, set()) == Counter()


def test_a_foreign_champion_has_no_words_and_its_files_stay_in_the_cache(tmp_path):
    """A night may be captioning with them."""
    home = home_in(tmp_path)
    registry = add_versions(home, "one")
    registry.tag(NAME, "1", {ENGINE_TAG: EXTERNAL})
    make_champion(home, "1")
    kept = home.root / "cache" / "models" / registry.resolve(f"models:/{NAME}/1").digest / "MLmodel"
    kept.parent.mkdir(parents=True)
    kept.write_text("")
    words = Vocabulary.of(["a", "dog"])
    words.write(tmp_path / "vocabulary.txt")
    run = SimpleNamespace(
        home=home,
        settings=SimpleNamespace(registry=SimpleNamespace(model_name=NAME)),
        output=lambda stage: SimpleNamespace(path=tmp_path),
    )
    told = {"size": len(words), "champion": "1", "unreadable": f"models:/{NAME}/1 is an external captioner"}
    assert compared_words(run) == told
    assert kept.is_file()
