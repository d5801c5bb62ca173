import numpy as np

from pipeline.model.vocabulary import END, PADDING, START
from pipeline.training.device_check.steps import BATCHES, CHANNELS, POSITIONS, made_up_batches


def test_made_up_batches_are_like_those_of_a_training_and_always_the_same():
    batches = made_up_batches()
    assert len(batches) == BATCHES
    for batch, again in zip(batches, made_up_batches(), strict=True):
        assert batch.features.shape[1:] == (POSITIONS, CHANNELS)
        assert batch.features.dtype == np.float16
        assert set(batch.images) == set(range(len(batch.features)))
        assert (batch.tokens[:, 0] == START).all()
        assert ((batch.tokens == END).sum(axis=1) == 1).all()
        assert all(np.array_equal(*pair) for pair in zip(batch, again, strict=True))
    assert any((batch.tokens == PADDING).any() for batch in batches)
