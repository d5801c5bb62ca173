from datetime import UTC, datetime, timedelta

import pytest

from pipeline.core.environment import Home
from pipeline.core.settings import train_settings
from pipeline.data.corrections_due import new_corrections
from pipeline.storage.tables.corrections import Correction, CorrectionTable
from pipeline.training.run import TrainingRun
from pipeline.training_pipeline import run_until

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    root = tmp_path_factory.mktemp("retraining")
    return Home(root, root / "store", "")


@pytest.fixture(scope="module")
def settings(new_dataset):
    dataset = new_dataset()
    for split, first in (("train", 0), ("val", 100), ("test", 200)):
        dataset.fill(10, split, first)
    return with_people_as_written(dataset.settings())


def with_people_as_written(source, terms="as_written"):
    values = {"source": source.model_dump() | {"people_terms": terms}, "validation": {"min_images": 5, "drift": "warn"}}
    return train_settings(values)


def trained(settings, home):
    """As far as a training must come to know corrections."""
    return run_until("validate", TrainingRun(settings, home))


def test_corrections_are_new_until_a_training_s_snapshot_has_them(settings, home, image):
    assert new_corrections(settings, home) == 0
    trained(settings, home)
    home.inbox.mkdir()
    files = [home.inbox / f"{number}.png" for number in range(4)]
    for number, file in enumerate(files):
        file.write_bytes(image(700 + number))
    table = CorrectionTable(home.store / "corrections")

    def say(file, caption, days=0):
        table.append([Correction(str(file), caption, "ann", NOW + timedelta(days=days))])

    for file in files[:3]:
        say(file, "a man rides a horse")
    assert new_corrections(settings, home) == 3
    trained(settings, home)
    assert new_corrections(settings, home) == 0
    say(files[3], "a dog runs over grass", days=-300)  # whenever that was written, no training knew it
    say(files[0], "a woman rides a horse", days=1)  # in the place of what was said before
    say(files[1], "a man rides a horse", days=1)  # the same again
    assert new_corrections(settings, home) == 2
    none = settings.model_copy(update={"source": settings.source.model_copy(update={"corrections": "none"})})
    assert new_corrections(none, home) == 0


def test_without_gender_the_same_words_are_no_news(settings, home):
    neutral = with_people_as_written(settings.source, "neutral")
    assert new_corrections(neutral, home) == 4  # of a collection that nothing was trained on yet
    trained(neutral, home)
    assert new_corrections(neutral, home) == 0


def test_a_snapshot_that_is_gone_does_not_count(settings, home):
    run = trained(settings, home)
    assert new_corrections(settings, home) == 0
    run.output("snapshot").path.rename(home.root / "gone")
    assert new_corrections(settings, home) == 2  # those that the one before lacked
