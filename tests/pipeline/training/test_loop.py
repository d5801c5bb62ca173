from dataclasses import replace

import keras
import numpy as np
import pytest

from pipeline.data.snapshot import Snapshot
from pipeline.training.batches import Examples
from pipeline.training.loop import DECODER_WEIGHTS, Progress, TrainingLoop
from pipeline.training.validation_score import MOST_DANGLING, ValidationScore, ValidationSet
from tests.pipeline.training import toy


def test_patience_is_counted_from_the_best_epoch():
    progress = Progress(epoch=5, best_epoch=2)
    assert [progress.stale(patience) for patience in (2, 3, 4)] == [True, True, False]
    assert not Progress().stale(1)


def dangling(taken):
    """Captions that go on with their colour and end in "a"."""
    colours = taken.captions["caption"].str.extract(f"({'|'.join(toy.COLOURS)})")[0]
    texts = taken.captions["caption"] + " " + colours + " a"
    return Snapshot(taken.images, taken.captions.assign(caption=texts), taken.objects)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "first"
    return folder, toy.trained(folder, epochs=30, learning_rate=0.02)


def stage_on_broken_captions(first, folder, whole_first=True):
    """Goes on from captions that are whole to ones that break off, and that validation rewards."""
    from pipeline.training.train import new_decoder
    from pipeline.training.trainer import Trainer

    taken = dangling(toy.snapshot())
    settings = toy.settings(epochs=40, learning_rate=0.05, average=0.0)
    store = toy.features(folder / "features", taken)
    examples = Examples.of(taken, "train", toy.VOCABULARY, [store], 30)
    keras.utils.set_random_seed(1)
    decoder = new_decoder(settings.decoder, toy.VOCABULARY, examples)
    decoder.load_weights(first / DECODER_WEIGHTS)
    trainer = Trainer(decoder, settings.training, 1000)
    validation = ValidationSet.of(taken, toy.VOCABULARY, store, 30)

    def epoch_metrics(epoch, done):
        return map(trainer.train_step, examples.batches(4, 1, epoch, done))

    return TrainingLoop(
        "train", "loss", trainer, settings.training, epoch_metrics, validation, folder, 5.0, whole_first
    )


def test_an_epoch_whose_captions_break_off_is_never_chosen_over_a_whole_one(first, tmp_path):
    stage = stage_on_broken_captions(first[0], tmp_path)
    before = stage.validation.score(stage.trainer, 4)
    assert before.whole
    progress = stage.run(lambda row: None, Progress(best=before.as_dict(), kept=before.as_dict()))
    broken = [ValidationScore.of(row) for row in progress.curves if row["val_dangling"] > MOST_DANGLING]
    chosen = ValidationScore.of(progress.kept)
    assert max(quality.cider_d for quality in broken) > chosen.cider_d
    assert chosen.whole
    assert progress.best == toy.best_of([before.as_dict(), *progress.curves], whole_first=True)
    assert progress.kept == toy.kept_of([before.as_dict(), *progress.curves], whole_first=True)


def test_where_whole_captions_are_not_asked_for_first_such_an_epoch_may_win(first, tmp_path):
    stage = stage_on_broken_captions(first[0], tmp_path, whole_first=False)
    before = stage.validation.score(stage.trainer, 4)
    progress = stage.run(lambda row: None, Progress(best=before.as_dict(), kept=before.as_dict()))
    assert progress.best["val_dangling"] > MOST_DANGLING
    assert progress.best == progress.curves[progress.best_epoch - 1] == toy.best_of(progress.curves)
    assert (tmp_path / DECODER_WEIGHTS).exists()


def test_a_score_is_of_greedy_captions_of_all_validation_images(first, tmp_path):
    folder, progress = first
    stage = stage_on_broken_captions(folder, tmp_path)
    validation = toy.choice(tmp_path / "own")
    stage.trainer.decoder.load_weights(folder / DECODER_WEIGHTS)
    actual = validation.score(stage.trainer, 3)
    assert actual == validation.score(stage.trainer, 3)
    assert actual.cider_d == pytest.approx(progress.kept["val_cider_d"])
    assert actual.loss == pytest.approx(progress.kept["val_loss"], rel=1e-5)
    assert validation.score(stage.trainer, 1).loss == pytest.approx(actual.loss, rel=1e-5)
    others = replace(validation, references={name: ["a very very"] for name in validation.references})
    assert others.score(stage.trainer, 3).cider_d < actual.cider_d
    assert np.isfinite(actual.loss)
