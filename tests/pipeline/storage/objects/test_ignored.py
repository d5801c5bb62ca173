"""Counts of what listings pass over."""

from pipeline.storage.objects.ignored import EXAMPLES, Ignored, told


def test_counts_and_the_first_names_of_each_reason():
    one, other = Ignored(), Ignored()
    for number in range(EXAMPLES + 3):
        one.add("other_type", f"/in/{number}.txt")
    other.add("other_type", "/in/x.txt")
    other.add("link_elsewhere", "/in/y.jpg")
    one.join(other)
    assert (one.count, one.reasons) == (EXAMPLES + 5, {"other_type": EXAMPLES + 4, "link_elsewhere": 1})
    lines = told(one.reasons, one.examples)
    assert lines[0].startswith(f"{EXAMPLES + 4} ignored as other_type. The name says")
    assert lines[1:3] == ["  /in/0.txt", "  /in/1.txt"]
    assert lines[EXAMPLES + 1] == "  and 4 more"
    assert lines[-1] == "  /in/y.jpg"
    one.clear()
    assert (one.count, one.examples) == (0, {})
