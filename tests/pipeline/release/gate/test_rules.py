import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.settings import GateSettings
from pipeline.evaluation.slices import Slice
from pipeline.metrics.bootstrap import bounds
from pipeline.metrics.health import Health
from pipeline.release.gate import GateCandidate, judge

IMAGES = [str(number) for number in range(400)]
SETTINGS = GateSettings()
HEALTHY = Health(0.0, 0.0, 0.0, 0.0, 0.9, 0.01, 300, 9.0)
NOISE = np.random.default_rng(0).gamma(2, 0.3, len(IMAGES))


def candidate(version, cider_d, **values):
    found = GateCandidate(version, version * 64, {}, np.asarray(cider_d, float), np.zeros(len(IMAGES)), HEALTHY)
    return replace(found, **values)


CHAMPION = candidate("1", NOISE)


def verdict_on(challenger, champion=CHAMPION, slices=None, **settings):
    return judge(challenger, champion, slices or {}, IMAGES, SETTINGS.model_copy(update=settings))


def broken(verdict):
    return [check.name for check in verdict.checks if not check.passed]


def noisy(gain, seed=1):
    return candidate("2", NOISE + gain + np.random.default_rng(seed).normal(0, 0.3, len(IMAGES)))


def test_what_is_surely_better_may_be_promoted():
    verdict = verdict_on(noisy(0.1))
    assert verdict.promote
    assert verdict.difference.lower > 0
    assert verdict.reason.startswith("better: CIDEr-D ")
    assert "of version 1 on the same 400 test images" in verdict.reason
    assert verdict.versions["champion"] == {"version": "1", "digest": "1" * 64}


@pytest.mark.parametrize("gain", [0.0, 0.005, -0.1])
def test_what_may_be_luck_is_not(gain):
    verdict = verdict_on(noisy(gain))
    assert broken(verdict) == ["cider_d"]
    assert verdict.reason.startswith("not surely better: ")


def test_the_very_same_captions_are_not_better():
    assert broken(verdict_on(candidate("2", NOISE))) == ["cider_d"]


def test_a_margin_asks_for_more():
    challenger = candidate("2", NOISE + 0.05)
    assert verdict_on(challenger, margin_points=4.9).promote
    assert broken(verdict_on(challenger, margin_points=5.1)) == ["cider_d"]
    assert verdict_on(candidate("2", NOISE - 0.05), margin_points=-6).promote


def luckiest(count, seed=50):
    """Of so many versions that are as good as the champion the one that scores best."""
    return max((noisy(0, seed + number) for number in range(count)), key=lambda each: each.cider_d.mean())


def test_luck_that_comes_to_one_of_forty_equals_is_not_promoted():
    lucky = luckiest(40)
    assert bounds(lucky.cider_d - NOISE).lower > 0  # as one comparison it would pass
    verdict = judge(lucky, CHAMPION, {}, IMAGES, SETTINGS, attempt=40)
    assert broken(verdict) == ["cider_d"]
    assert "as attempt 40 on this champion" in verdict.reason
    assert "with 99.99% confidence" in verdict.reason


CORRECTED_IMAGES = [f"corrected:/in/{name}" if int(name) % 8 == 0 else name for name in IMAGES]
WHERE = np.arange(len(IMAGES)) % 8 == 0  # 50 images


def corrected_gain(there, elsewhere):
    scores = noisy(elsewhere, seed=5).cider_d
    scores[WHERE] += there - elsewhere
    return judge(candidate("2", scores), CHAMPION, {}, CORRECTED_IMAGES, SETTINGS)


def test_a_version_that_learnt_what_people_corrected_is_promoted_for_that():
    verdict = corrected_gain(0.15, 0.01)
    assert verdict.difference.lower < 0  # overall nothing is sure
    assert verdict.promote
    assert verdict.reason.startswith("better where people corrected captions (50 images): +")
    assert "not worse elsewhere (350 images): " in verdict.reason
    assert "-3.0 allowed; overall not surely better: CIDEr-D " in verdict.reason


@pytest.mark.parametrize(
    ("there", "elsewhere", "why"),
    [(0.2, -0.06, "perhaps worse elsewhere"), (0.02, 0.0, "not surely better where people corrected")],
)
def test_it_is_not_where_it_loses_elsewhere_or_learnt_little(there, elsewhere, why):
    verdict = corrected_gain(there, elsewhere)
    assert broken(verdict) == ["cider_d"]
    assert why in verdict.reason


def test_few_corrected_images_are_no_way_to_pass():
    few = [f"corrected:/in/{name}" if int(name) < 29 else name for name in IMAGES]
    scores = NOISE + np.where(np.arange(len(IMAGES)) < 29, 0.3, np.where(np.arange(len(IMAGES)) % 2, 0.3, -0.33))
    verdict = judge(candidate("2", scores), CHAMPION, {}, few, SETTINGS)
    assert broken(verdict) == ["cider_d"]
    assert "where people corrected" not in verdict.reason


def sliced(places):
    return {"people 2 to 5": Slice(2, 5, tuple(IMAGES[place] for place in places))}


def worse_where(places, loss):
    scores = noisy(0.3).cider_d
    scores[places] -= 0.3 + loss
    return candidate("2", scores)


def test_a_slice_that_is_clearly_worse_refuses_what_is_better_on_the_whole():
    places = np.arange(0, 400, 4)
    verdict = verdict_on(worse_where(places, 0.2), slices=sliced(places))
    assert broken(verdict) == ["slices"]
    assert verdict.reason.startswith("worse where people 2 to 5 (100 images): -")
    assert verdict.slices[0].refuses


@pytest.mark.parametrize(
    ("places", "loss"),
    [
        (np.arange(0, 396, 4), 0.2),  # 99 images are too few
        (np.arange(0, 400, 4), 0.02),  # a loss of less than five points
    ],
)
def test_a_slice_that_is_small_or_hardly_worse_does_not(places, loss):
    verdict = verdict_on(worse_where(places, loss), slices=sliced(places))
    assert verdict.promote
    assert not verdict.slices[0].refuses


def test_a_slice_that_may_be_unlucky_does_not():
    places = np.arange(0, 400, 4)
    scores = NOISE + 0.3
    scores[places] = NOISE[places] - 0.06 + np.where(np.arange(100) % 2, 3.0, -3.0)
    verdict = verdict_on(candidate("2", scores), slices=sliced(places))
    assert verdict.slices[0].difference.mean < -0.05
    assert verdict.slices[0].difference.upper > 0
    assert verdict.promote


@pytest.mark.parametrize("name", ["dangling", "repeated", "unknown", "empty", "most_frequent"])
def test_faulty_captions_refuse_unless_the_champion_s_are_as_faulty(name):
    sick = replace(HEALTHY, **{name: 0.3})
    challenger = replace(noisy(0.1), health=sick)
    assert broken(verdict_on(challenger)) == ["health"]
    assert verdict_on(challenger, candidate("1", NOISE, health=sick)).promote


def test_more_objects_that_are_not_there_refuse():
    champion = candidate("1", NOISE, chair=0.10)
    assert verdict_on(replace(noisy(0.1), chair=0.12), champion).promote
    assert broken(verdict_on(replace(noisy(0.1), chair=0.13), champion)) == ["chair"]
    assert broken(verdict_on(replace(noisy(0.1), chair=0.51), candidate("1", NOISE))) == ["chair"]


def test_a_version_that_trusts_itself_little_is_refused():
    assert verdict_on(replace(noisy(0.1), withheld=0.3)).promote
    assert broken(verdict_on(replace(noisy(0.1), withheld=0.31))) == ["withheld"]


def test_a_first_version_has_floors():
    assert verdict_on(noisy(0), None).promote
    low = verdict_on(candidate("1", NOISE * 0.01), None)
    assert broken(low) == ["floor"]
    assert "too low for a first version" in low.reason
    blind = candidate("1", NOISE, moved=NOISE[::-1])
    assert broken(verdict_on(blind, None)) == ["own_pictures"]
    assert verdict_on(candidate("1", NOISE * 0), None, first_points=0).promote


def test_every_broken_rule_is_told():
    sick = replace(noisy(-0.1), health=replace(HEALTHY, empty=0.5), withheld=0.9)
    assert broken(verdict_on(sick)) == ["cider_d", "health", "withheld"]
    assert verdict_on(sick).reason.count("; ") == 2


@pytest.mark.parametrize("champion", [None, CHAMPION])
def test_a_verdict_is_plain_json(champion):
    verdict = verdict_on(noisy(0.1), champion, sliced(range(200)))
    told = json.loads(json.dumps(verdict.as_json(), allow_nan=False))
    assert (told["promote"], told["images"]) == (True, 400)
    assert told["settings"]["resamples"] == 2000
    assert all(check["passed"] for check in told["checks"])
    assert (told["difference"] is None) == (champion is None)
    assert [row["images"] for row in told["slices"]] == ([200] if champion else [])


def test_bounds_are_repeatable_and_those_of_the_normal_law():
    values = np.random.default_rng(2).normal(1.0, 2.0, 2000)
    found = bounds(values)
    assert found == bounds(values)
    error = values.std() / len(values) ** 0.5
    assert found.lower == pytest.approx(values.mean() - 1.645 * error, abs=0.15 * error)
    assert found.upper == pytest.approx(values.mean() + 1.645 * error, abs=0.15 * error)
