import numpy as np
import pytest

from pipeline.metrics.intervals import differences, intervals
from pipeline.metrics.scores import score_captions

WORDS = [
    "a",
    "red",
    "blue",
    "green",
    "boat",
    "dog",
    "kite",
    "tram",
    "lake",
    "tree",
    "runs",
    "flies",
    "stands",
    "near",
    "under",
]


@pytest.fixture(scope="module")
def reports():
    """Scores of 200 captions that keep nine words of ten of a reference, and of those that keep six."""
    random = np.random.default_rng(5)

    def sentence():
        return list(random.choice(WORDS, 9))

    def spoiled(words, kept):
        return " ".join(word if random.random() < kept else random.choice(WORDS) for word in words)

    first = {f"{number}.jpg": sentence() for number in range(200)}
    references = {image: [" ".join(words), " ".join(sentence())] for image, words in first.items()}
    return [
        score_captions(references, {image: spoiled(words, kept) for image, words in first.items()}, meteor=False)
        for kept in (0.9, 0.6)
    ]


def test_intervals_are_those_of_the_normal_approximation(reports):
    report = reports[0]
    found = intervals(report)
    assert list(found) == ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d"]
    for name in ("rouge_l", "cider_d"):
        values = np.array([row[name] for row in report.per_image.values()])
        error = values.std() / np.sqrt(len(values))
        assert found[name] == pytest.approx(
            (values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.15 * error
        )
    assert all(low < report.scores[name] < high for name, (low, high) in found.items())
    assert intervals(report) == found


def test_bleu_of_equal_images_has_no_width():
    same = {f"{number}.jpg": ["a red boat on a calm lake"] for number in range(20)}
    report = score_captions(same, dict.fromkeys(same, "a red boat on the lake"), meteor=False)
    assert intervals(report)["bleu_4"] == pytest.approx([report.scores["bleu_4"]] * 2, abs=1e-6)


def test_differences_are_paired(reports):
    better, worse = reports
    found = differences(better, worse)
    assert all(0 < low < better.scores[name] - worse.scores[name] < high for name, (low, high) in found.items())
    assert set(differences(better, better).values()) == {(0.0, 0.0)}
    wide, narrow = (high - low for low, high in (intervals(better)["cider_d"], found["cider_d"]))
    assert narrow < 2 * wide
