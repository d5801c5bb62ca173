from typing import NamedTuple

import numpy as np
import pytest

from pipeline.model.padded_batches import predict_padded

SIZE = 4


class Sums(NamedTuple):
    total: np.ndarray
    doubled: np.ndarray


class Network:
    """Remembers the shapes of its batches."""

    def __init__(self):
        self.shapes = []

    def predict_on_batch(self, batch):
        if isinstance(batch, tuple):
            self.shapes.append(tuple(each.shape for each in batch))
            return Sums(batch[0].sum(axis=1) + batch[1], 2 * batch[0])
        self.shapes.append(batch.shape)
        return batch + 1


@pytest.mark.parametrize(("count", "batches"), [(1, 1), (SIZE, 1), (SIZE + 1, 2), (2 * SIZE, 2)])
def test_every_batch_has_one_shape_and_padding_is_cut_off_again(count, batches):
    network, rows = Network(), np.arange(count * 3, dtype=np.uint8).reshape(count, 3)
    np.testing.assert_array_equal(predict_padded(network, SIZE, rows), rows + 1)
    assert network.shapes == [(SIZE, 3)] * batches


def test_several_inputs_and_outputs_keep_their_order():
    network, rows, others = Network(), np.ones((6, 3)), np.arange(6)
    total, doubled = predict_padded(network, SIZE, rows, others)
    np.testing.assert_array_equal(total, 3 + others)
    np.testing.assert_array_equal(doubled, 2 * rows)
    assert network.shapes == [((SIZE, 3), (SIZE,))] * 2
