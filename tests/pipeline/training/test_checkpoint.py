import logging

import numpy as np
import pytest

from pipeline.training import checkpoint


def variable(value):
    import keras

    return keras.Variable(value, dtype=str(np.asarray(value).dtype))


def variables(factor=0):
    return [variable(np.arange(6, dtype="float32").reshape(2, 3) * factor), variable(np.int64(factor))]


def saved(root, *epochs):
    for epoch in epochs:
        checkpoint.save(root, epoch, variables(epoch), {"epoch": epoch, "curves": [{"val_loss": 1 / epoch}]})


def names(root):
    return sorted(path.name for path in root.iterdir())


def test_what_was_saved_comes_back(tmp_path):
    saved(tmp_path, 3)
    found = variables()
    assert checkpoint.restore(tmp_path, found) == {"epoch": 3, "curves": [{"val_loss": 1 / 3}]}
    for value, expected in zip(found, variables(3), strict=True):
        np.testing.assert_array_equal(value, expected)
        assert value.dtype == expected.dtype


def test_the_newest_two_are_kept(tmp_path):
    saved(tmp_path, 1, 2, 3, 10)
    assert names(tmp_path) == ["epoch-0003", "epoch-0010"]
    assert checkpoint.restore(tmp_path, variables())["epoch"] == 10


def test_nothing_to_resume_from_is_none(tmp_path):
    found = variables(7)
    assert checkpoint.restore(tmp_path, found) is None
    assert int(found[1]) == 7


@pytest.mark.parametrize("file", ["variables.npz", "progress.json"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_truncated_newest_one_is_passed_over_with_a_warning(tmp_path, caplog, file, share):
    saved(tmp_path, 1, 2)
    path = tmp_path / "epoch-0002" / file
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    found = variables()
    with caplog.at_level(logging.WARNING):
        assert checkpoint.restore(tmp_path, found)["epoch"] == 1
    assert int(found[1]) == 1
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "epoch-0002 is damaged" in record.getMessage()


@pytest.mark.parametrize("file", ["variables.npz", "progress.json"])
def test_one_that_lacks_a_file_is_passed_over(tmp_path, file):
    saved(tmp_path, 1, 2)
    (tmp_path / "epoch-0002" / file).unlink()
    assert checkpoint.restore(tmp_path, variables())["epoch"] == 1


def test_one_byte_changed_is_noticed(tmp_path):
    saved(tmp_path, 1, 2)
    path = tmp_path / "epoch-0002" / "variables.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert checkpoint.restore(tmp_path, variables())["epoch"] == 1


def test_a_damaged_one_is_replaced_when_its_epoch_is_done_again(tmp_path):
    saved(tmp_path, 1, 2)
    (tmp_path / "epoch-0002" / "variables.npz").write_bytes(b"")
    assert checkpoint.restore(tmp_path, variables())["epoch"] == 1
    saved(tmp_path, 2)
    assert checkpoint.restore(tmp_path, variables())["epoch"] == 2


@pytest.mark.parametrize("shapes", [[(3, 2), ()], [(2, 3)], [(2, 3), (), ()]], ids=["other", "fewer", "more"])
def test_one_of_another_model_changes_no_variable(tmp_path, shapes):
    saved(tmp_path, 1)
    others = [variable(np.full(shape, 9.0, "float32")) for shape in shapes]
    assert checkpoint.restore(tmp_path, others) is None
    assert all((np.array(other) == 9.0).all() for other in others)


def test_a_save_that_fails_leaves_the_ones_before(tmp_path):
    saved(tmp_path, 1, 2)
    with pytest.raises(TypeError):
        checkpoint.save(tmp_path, 3, variables(3), {"epoch": {1, 2}, ("no", "key"): 3})
    assert names(tmp_path) == ["epoch-0001", "epoch-0002"]
    assert checkpoint.restore(tmp_path, variables())["epoch"] == 2
