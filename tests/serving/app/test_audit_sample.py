"""Which images of a night people audit."""

import pytest

from serving.app.audit_sample import audit_sample, is_blind

SURE = {f"/in/{number:04d}.jpg": number / 1_000 for number in range(1_000)}


def test_everybody_gets_the_same_sample_whatever_the_order_of_the_rows():
    sample = audit_sample("n1", SURE, 100)
    assert len(set(sample)) == 100
    assert sample == audit_sample("n1", dict(reversed(SURE.items())), 100)
    assert len({*sample, *audit_sample("n2", SURE, 100)}) > 150


def test_each_tenth_by_sureness_gives_a_tenth_and_the_order_is_no_order_of_sureness():
    sample = audit_sample("n1", SURE, 100)
    tenths = [round(SURE[image] * 1_000) // 100 for image in sample]
    assert [tenths.count(number) for number in range(10)] == [10] * 10
    first = [SURE[image] for image in sample[:30]]
    assert first != sorted(first) and 0.3 < sum(first) / 30 < 0.7


@pytest.mark.parametrize(
    ("images", "size", "count"), [(0, 100, 0), (1, 100, 1), (7, 100, 7), (100, 100, 100), (13, 12, 12), (53, 30, 30)]
)
def test_a_small_night_is_audited_whole(images, size, count):
    few = dict.fromkeys(list(SURE)[:images])
    assert len(set(audit_sample("n1", few, size))) == count


def test_about_half_of_the_images_are_blind_and_stay_so():
    blind = [image for image in SURE if is_blind("n1", image)]
    assert 430 < len(blind) < 570
    assert blind == [image for image in SURE if is_blind("n1", image)]
    assert is_blind("n1", "/in/\udcff.jpg") in {True, False}
