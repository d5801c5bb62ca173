from dataclasses import dataclass

import numpy as np
import pytest

from pipeline.core.errors import SettingsError
from pipeline.storage.tables import CaptionTable
from serving.active_learning import UNSEEN, doubtful, pick, spread_out, unseen
from tests.pipeline.storage.tables.table_rows import later, quarantined, row, rows
from tests.serving.night_world import ColourCaptioner, image


@dataclass
class SeeingCaptioner(ColourCaptioner):
    """Sees the mean colour of an image."""

    def pooled_embeddings(self, pixels):
        means = pixels.reshape(len(pixels), -1, 3).mean(axis=1).astype(np.float32)  # [n, 3]
        return means / np.linalg.norm(means, axis=1, keepdims=True)


@pytest.fixture
def table(tmp_path):
    return CaptionTable(tmp_path / "captions")


def publish(table, *values):
    table.append(rows(*values), table.version())
    table.write_current()


def told(image, confidence, **values):
    return row(image, confidence=confidence, **values)


def names(found):
    return [each.image for each in found]


def test_the_least_sure_come_first_and_the_withheld_with_them(table):
    publish(
        table,
        told("/in/sure", 0.9),
        told("/in/unsure", 0.2),
        told("/in/old", None, score=np.log(0.5)),
        told("/in/unknown", None, score=None),
        quarantined("/in/withheld", "withheld", confidence=0.1),
        quarantined("/in/broken", "corrupt"),
    )
    found = doubtful(table, 10, None, ())
    assert [(each.image, each.reason) for each in found] == [
        ("/in/withheld", "withheld"),
        ("/in/unsure", "uncertain"),
        ("/in/old", "uncertain"),
        ("/in/sure", "uncertain"),
        ("/in/unknown", "uncertain"),
    ]
    assert names(doubtful(table, 2, None, ())) == ["/in/withheld", "/in/unsure"]
    assert names(doubtful(table, 2, None, {"/in/withheld", "/in/unsure"})) == ["/in/old", "/in/sure"]


def test_what_people_wrote_or_a_later_night_published_is_left_alone(table):
    publish(
        table,
        told("/in/human", 0.1),
        quarantined("/in/both", "withheld", confidence=0.1),
        quarantined("/in/spoken", "withheld", confidence=0.1),
        told("/in/dark", 0.1, flags=["dark"]),
        told("/other/a", 0.3),
        told("/in/a", 0.3),
    )
    publish(
        table,
        told("/in/human", None, source="human", model_version=None, **later()),
        told("/in/both", None, source="human", model_version=None, **later()),
        told("/in/spoken", 0.8, model_version="2", **later()),
    )
    assert names(doubtful(table, 10, "/in/", ())) == ["/in/a", "/in/spoken"]
    assert names(doubtful(table, 10, None, ())) == ["/in/a", "/other/a", "/in/spoken"]


def test_the_newest_caption_of_an_image_counts_among_many(table):
    random = np.random.default_rng(1)
    doubts = random.random(500).tolist()
    for start in range(0, 500, 50):
        publish(table, *(told(f"/in/{place:03d}", doubts[place]) for place in range(start, start + 50)))
    expected = [f"/in/{place:03d}" for place in np.argsort(doubts)[:20]]
    assert names(doubtful(table, 20, None, ())) == expected


def test_each_choice_is_the_farthest_from_those_before():
    points = np.array([[0, 0], [1, 0], [10, 0], [10, 0], [4, 0]], np.float32)
    assert spread_out(points, 3) == [(0, None), (2, 10.0), (4, 4.0)]
    assert spread_out(points, 9) == [(0, None), (2, 10.0), (4, 4.0), (1, 1.0)]  # the like of the third is left out
    assert spread_out(points[:1], 5) == [(0, None)]


def test_a_random_cloud_is_covered_better_than_by_chance():
    random = np.random.default_rng(2)
    points = random.normal(size=(400, 5)).astype(np.float32)

    def farthest(places):
        return np.linalg.norm(points[:, None] - points[None, places], axis=2).min(axis=1).max()

    chosen = [place for place, _ in spread_out(points, 30)]
    assert len(set(chosen)) == 30
    assert farthest(chosen) < min(farthest(random.choice(400, 30, replace=False)) for _ in range(20))


@pytest.mark.usefixtures("no_decoding_here")
def test_images_are_looked_at_and_those_that_are_gone_left_out(world, table):
    red, reddish, blue = (world.put(f"{n}.jpg", image(colour)) for n, colour in enumerate(["red", "#fe0000", "blue"]))
    world.put("bad.jpg", b"<html>")
    files = [red, reddish, blue, str(world.home.inbox / "bad.jpg"), str(world.home.inbox / "gone.jpg"), "/gone/a.jpg"]
    publish(table, *(told(file, 0.1 * place) for place, file in enumerate(files, 1)))
    found = pick(table, SeeingCaptioner(), 2, 10)
    assert names(found) == [red, blue]
    assert found[0].distance is None
    assert found[1].distance == pytest.approx(2**0.5, abs=0.02)
    assert names(pick(table, SeeingCaptioner(), 2, 2)) == [red]  # the other of the most doubtful looks the same


def test_images_that_no_night_has_seen_are_captioned_first(world, table):
    known, *new = world.fill(6)
    publish(table, told(known, 0.9))
    found = pick(table, SeeingCaptioner(), 10, 10, str(world.home.inbox), without={new[0]})
    assert {each.image: each.reason for each in found} == {known: "uncertain"} | dict.fromkeys(new[1:], UNSEEN)
    assert all(each.caption and each.score < 0 for each in found if each.reason == UNSEEN)
    with pytest.raises(SettingsError, match="nowhere"):
        pick(table, SeeingCaptioner(), 10, 10, "/nowhere")


def test_a_folder_s_new_images_are_sampled_evenly(world, table):
    from pipeline.storage.objects import open_folder

    files = world.fill(40)
    publish(table, *(told(file, 0.5) for file in files[:20]))
    folder = open_folder(str(world.home.inbox))
    some = names(unseen(table, folder, 8, ()))
    assert len(some) == 8
    assert set(some) < set(files[20:])
    assert some == names(unseen(table, folder, 8, ()))
    assert some != sorted(some)
    assert len(unseen(table, folder, 99, ())) == 20


def test_an_empty_table_has_nothing_to_pick(table):
    assert pick(table, SeeingCaptioner(), 5, 20) == []
