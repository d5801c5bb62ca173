import logging
import time

import numpy as np
import pytest

from pipeline.core.settings import TrainingSettings
from pipeline.training import checkpoint


def variable(value):
    import keras

    return keras.Variable(value, dtype=str(np.asarray(value).dtype))


def variables(factor=0):
    return [variable(np.arange(6, dtype="float32").reshape(2, 3) * factor), variable(np.int64(factor))]


KEPT = "kept.h5"


def saved(root, *places):
    """Checkpoints after so many epochs, or epochs and steps; each knows what was kept by then."""
    for place in places:
        epoch, step = place if isinstance(place, tuple) else (place, 0)
        (root / f".{KEPT}").write_text(f"kept by {epoch}, {step}")
        (root / f".{KEPT}").replace(root / KEPT)
        progress = {"epoch": epoch, "step": step, "figure": 1 / 3}
        checkpoint.save_checkpoint(
            root, checkpoint.Position(epoch, step), variables(10 * epoch + step), progress, root / KEPT
        )


def restored(root, actual=None):
    """Epoch and step of what a training goes on from, after a look at all that belongs to it."""
    actual = variables() if actual is None else actual
    result = checkpoint.restore_checkpoint(root, actual, root / KEPT)
    if result is None:
        return None
    for value, expected in zip(actual, variables(10 * result["epoch"] + result["step"]), strict=True):
        np.testing.assert_array_equal(value, expected)
        assert value.dtype == expected.dtype
    assert result["figure"] == 1 / 3
    assert (root / KEPT).read_text() == f"kept by {result['epoch']}, {result['step']}"
    return result["epoch"], result["step"]


def names(root):
    return sorted(path.name for path in root.iterdir() if path.is_dir())


def test_what_was_saved_comes_back(tmp_path):
    saved(tmp_path, (3, 7))
    assert restored(tmp_path) == (3, 7)


def test_the_newest_two_are_kept_by_epoch_and_then_by_step(tmp_path):
    saved(tmp_path, 1, (1, 9), (1, 10), 2, 3, 10, (10, 2))
    assert names(tmp_path) == ["epoch-0010-step-0000000", "epoch-0010-step-0000002"]
    assert restored(tmp_path) == (10, 2)


def test_nothing_to_resume_from_is_none(tmp_path):
    actual = variables(7)
    assert checkpoint.restore_checkpoint(tmp_path, actual, tmp_path / KEPT) is None
    assert int(actual[1]) == 7


def test_what_was_kept_later_is_not_taken_for_what_was_kept_by_then(tmp_path):
    saved(tmp_path, 1)
    (tmp_path / ".new").write_text("of an epoch that no checkpoint knows")
    (tmp_path / ".new").replace(tmp_path / KEPT)
    assert restored(tmp_path) == (1, 0)


def test_nothing_was_kept_yet(tmp_path):
    checkpoint.save_checkpoint(tmp_path, checkpoint.Position(0, 5), variables(5), {}, None)
    (tmp_path / KEPT).write_text("of an epoch that no checkpoint knows")
    assert checkpoint.restore_checkpoint(tmp_path, variables(), tmp_path / KEPT) == {}
    assert not (tmp_path / KEPT).exists()


@pytest.mark.parametrize("file", ["variables.npz", "progress.json", KEPT])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.99])
def test_a_truncated_newest_one_is_passed_over_with_a_warning(tmp_path, caplog, file, share):
    saved(tmp_path, 1, 2)
    path = tmp_path / "epoch-0002-step-0000000" / file
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: int(len(data) * share)])
    with caplog.at_level(logging.WARNING):
        assert restored(tmp_path) == (1, 0)
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "epoch-0002-step-0000000 is damaged" in record.getMessage()


@pytest.mark.parametrize("file", ["variables.npz", "progress.json", KEPT])
def test_one_that_lacks_a_file_is_passed_over(tmp_path, file):
    saved(tmp_path, 1, 2)
    (tmp_path / "epoch-0002-step-0000000" / file).unlink()
    assert restored(tmp_path) == (1, 0)


@pytest.mark.parametrize("file", ["variables.npz", "progress.json", KEPT])
def test_one_character_changed_is_noticed(tmp_path, file):
    saved(tmp_path, 1, (1, 2))
    path = tmp_path / "epoch-0001-step-0000002" / file
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data.replace(b"2", b"3", 1) if b"2" in data else data[:-1])
    assert restored(tmp_path) == (1, 0)


@pytest.mark.parametrize("result", [b"[]", b"null", b"{}", b'{"progress": 1, "files": [], "sha256": ""}'])
def test_a_progress_that_is_none_is_passed_over(tmp_path, result):
    saved(tmp_path, 1, 2)
    (tmp_path / "epoch-0002-step-0000000" / "progress.json").write_bytes(result)
    assert restored(tmp_path) == (1, 0)


def test_a_damaged_one_makes_room_for_what_is_done_again(tmp_path):
    """It must not count as one of the two that are kept, or the next fault would find none."""
    saved(tmp_path, 1, 2)
    (tmp_path / "epoch-0002-step-0000000" / "variables.npz").write_bytes(b"")
    assert restored(tmp_path) == (1, 0)
    saved(tmp_path, (1, 4))
    assert names(tmp_path) == ["epoch-0001-step-0000000", "epoch-0001-step-0000004"]
    saved(tmp_path, 2)
    assert names(tmp_path) == ["epoch-0001-step-0000004", "epoch-0002-step-0000000"]
    assert restored(tmp_path) == (2, 0)


def test_a_half_written_one_goes(tmp_path):
    saved(tmp_path, 1)
    half = tmp_path / ".epoch-0002-step-0000000.abc"
    half.mkdir()
    assert restored(tmp_path) == (1, 0)
    assert not half.exists()


@pytest.mark.parametrize("shapes", [[(3, 2), ()], [(2, 3)], [(2, 3), (), ()]], ids=["other", "fewer", "more"])
def test_one_of_another_model_changes_nothing(tmp_path, shapes):
    saved(tmp_path, 1)
    (tmp_path / KEPT).write_text("ours")
    others = [variable(np.full(shape, 9.0, "float32")) for shape in shapes]
    assert checkpoint.restore_checkpoint(tmp_path, others, tmp_path / KEPT) is None
    assert all((np.array(other) == 9.0).all() for other in others)
    assert (tmp_path / KEPT).read_text() == "ours"


def test_a_save_that_fails_leaves_the_ones_before(tmp_path):
    saved(tmp_path, 1, 2)
    with pytest.raises(TypeError):
        checkpoint.save_checkpoint(
            tmp_path, checkpoint.Position(3, 0), variables(3), {"epoch": {1, 2}, ("no", "key"): 3}, None
        )
    assert names(tmp_path) == ["epoch-0001-step-0000000", "epoch-0002-step-0000000"]
    assert restored(tmp_path) == (2, 0)


def test_where_no_second_name_can_be_given_a_copy_does(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("this file system knows no links")

    monkeypatch.setattr(checkpoint.os, "link", refuse)
    saved(tmp_path, 1, 2)
    (tmp_path / KEPT).unlink()
    assert restored(tmp_path) == (2, 0)


def test_saving_takes_under_a_fiftieth_of_the_time_between_saves(tmp_path):
    """For a decoder of `flickr8k` with its moments and averages: 125 MB beside 25 MB of kept weights."""
    kept = tmp_path / KEPT
    kept.write_bytes(bytes(25_000_000))
    arrays = [np.ones((16, 62_500), np.float32) for _ in range(31)]
    began = time.process_time()
    checkpoint.save_checkpoint(tmp_path, checkpoint.Position(0, 1), arrays, {"epoch": 0}, kept)
    assert time.process_time() - began < 0.02 * 60 * TrainingSettings().checkpoint_minutes
