import logging
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest

from pipeline.core.environment import Home
from pipeline.storage.files import sha256_file, write_json
from pipeline.training.loop import DECODER_WEIGHTS, Progress
from pipeline.training.validation_score import ValidationScore
from tests.pipeline.training import toy

EPOCHS = 20


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A first stage that ends before captions are good."""
    folder = tmp_path_factory.mktemp("two stages") / "first"
    return folder, toy.trained(folder, epochs=20, learning_rate=0.02)


@pytest.fixture(scope="module")
def whole(first):
    """A second stage that nothing interrupts: its folder and progress."""
    folder = first[0].parent / "second"
    seen = []
    progress = toy.refined(folder, first[0], seen.append, epochs=EPOCHS)
    assert seen == progress.curves
    return folder, progress


def figures(progress):
    return [(row["reward"], row["val_loss"], row["val_cider_d"]) for row in progress.curves]


def verdict(folder, data):
    """What validation makes of a folder's weights."""
    from pipeline.training.train import new_decoder
    from pipeline.training.trainer import Trainer

    validation, settings = toy.choice(data), toy.settings()
    decoder = new_decoder(settings.decoder, toy.VOCABULARY, validation.examples)
    decoder.load_weights(folder / DECODER_WEIGHTS)
    return validation.score(Trainer(decoder, settings.training, 1), 4)


def test_the_mean_reward_of_its_captions_rises(whole):
    rewards = [row["reward"] for row in whole[1].curves]
    assert len(rewards) == EPOCHS
    assert np.mean(rewards[-3:]) > 1.3 * np.mean(rewards[:3])


def test_what_is_kept_keeps_up_with_the_best_and_with_what_it_began_with(first, whole, tmp_path):
    folder, progress = whole
    began, kept = (ValidationScore.of(item.kept) for item in (first[1], progress))
    assert not began.better_than(kept, whole_first=True)
    assert progress.best == toy.best_of([first[1].kept, *progress.curves], whole_first=True)
    assert progress.kept == toy.kept_of([first[1].kept, *progress.curves], whole_first=True)
    assert progress.kept_epoch > 0
    actual = verdict(folder, tmp_path)
    assert actual.cider_d == pytest.approx(kept.cider_d)
    assert actual.loss == pytest.approx(kept.loss, rel=1e-5)
    assert verdict(first[0], tmp_path).cider_d == pytest.approx(began.cider_d)


def test_struck_after_an_epoch_it_resumes_and_ends_the_same(first, whole, tmp_path, caplog):
    folder, progress = whole
    with pytest.raises(toy.Killed):
        toy.refined(tmp_path / "second", first[0], toy.strikes_after(5), epochs=EPOCHS)
    seen = []
    with caplog.at_level(logging.INFO):
        resumed = toy.refined(tmp_path / "second", first[0], seen.append, epochs=EPOCHS)
    assert "refine: resuming after epoch 5" in caplog.text
    assert len(seen) == EPOCHS - 5
    assert figures(resumed) == figures(progress)
    toy.assert_same(toy.arrays(tmp_path / "second"), toy.arrays(folder))


def test_killed_at_any_moment_it_resumes_and_ends_the_same(first, whole, tmp_path):
    folder, progress = whole
    toy.killed_after(3, tmp_path / "second", EPOCHS, first[0])
    seen = []
    resumed = toy.refined(tmp_path / "second", first[0], seen.append, epochs=EPOCHS)
    assert 0 < len(seen) <= EPOCHS - 3
    assert figures(resumed) == figures(progress)
    toy.assert_same(toy.arrays(tmp_path / "second"), toy.arrays(folder))


def test_it_stops_when_captions_get_no_better(first, tmp_path):
    progress = toy.refined(tmp_path / "second", first[0], epochs=200, patience=2, learning_rate=0.5)
    assert progress.epoch == progress.best_epoch + 2 < 200


def test_people_s_captions_may_be_mixed_in(first, whole, tmp_path):
    """Held to people's wording alone it learns as the first stage does, and differs from the reward's path."""
    wording = toy.refined(tmp_path / "wording", first[0], epochs=4, likelihood_weight=1.0)
    losses = [row["val_loss"] for row in wording.curves]
    assert losses[-1] < first[1].kept["val_loss"]
    half = toy.refined(tmp_path / "half", first[0], epochs=4, likelihood_weight=0.5)
    assert len({tuple(figures(item)[:4]) for item in (wording, half, whole[1])}) == 3


def elsewhere(run, folder, **recipe):
    """The finished stages in a store that may be added to, with another recipe for the second part of training."""
    shutil.copytree(run.home.store, folder / "store", ignore=shutil.ignore_patterns("bundle", "mlflow", "unfinished"))
    chosen = run.settings.self_critical.model_copy(update=recipe)
    settings = run.settings.model_copy(update={"self_critical": chosen})
    return replace(run, settings=settings, home=Home(folder, folder / "store", ""))


def test_left_out_the_weights_stay_as_they_are(tiny_run):
    before, output = tiny_run.output("train"), tiny_run.output("refine")
    assert sha256_file(output.path / DECODER_WEIGHTS) == sha256_file(before.path / DECODER_WEIGHTS)
    kept = before.figures()["kept"]
    assert output.figures() == asdict(Progress(best=kept, kept=kept))


def test_an_epoch_that_spoils_captions_leaves_the_weights_as_they_were(tiny_run, tmp_path):
    from pipeline.training.refine import refine

    run = elsewhere(tiny_run, tmp_path, epochs=1, learning_rate=1.0)
    seen = []
    output = refine(run, seen.append)
    assert len(seen) == len(output.figures()["curves"]) == 1
    assert output.figures()["kept_epoch"] == 0
    assert sha256_file(output.path / DECODER_WEIGHTS) == sha256_file(tiny_run.output("train").path / DECODER_WEIGHTS)
    assert not list((tmp_path / "store" / "unfinished" / "refine").iterdir())


def test_what_it_kept_is_what_later_stages_load(tiny_run, tmp_path):
    from pipeline.training.refine import load_decoder, refine

    run = elsewhere(tiny_run, tmp_path, epochs=1, learning_rate=1e-3, likelihood_weight=1.0)
    before = run.output("train")
    spoilt = before.figures()
    spoilt["kept"] = {**spoilt["kept"], "val_cider_d": 0.0, "val_loss": 99.0, "val_dangling": 1.0}
    write_json(before.path / "figures.json", spoilt)  # so that any epoch is better
    run = run.after(refine(run, lambda row: None))
    assert run.output("refine").figures()["kept_epoch"] == 1
    decoder, words = load_decoder(run)
    assert len(words) == decoder.vocabulary_size
    began, _ = load_decoder(tiny_run)
    assert sha256_file(run.output("refine").path / DECODER_WEIGHTS) != sha256_file(before.path / DECODER_WEIGHTS)
    differences = [
        np.abs(np.array(one) - np.array(other)).max() for one, other in zip(decoder.weights, began.weights, strict=True)
    ]
    assert 0 < max(differences) < 0.1
