import h5py
import pytest

from pipeline.core.errors import BundleRejected
from pipeline.model.vocabulary import Vocabulary
from pipeline.model.vocabulary_binding import bind, check_bound


@pytest.fixture
def weights(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layer"] = [1.0, 2.0]
    return tmp_path / "w.h5"


@pytest.fixture
def words(tmp_path):
    Vocabulary.of(["dog", "cat"]).write(tmp_path / "vocabulary.txt")
    return tmp_path / "vocabulary.txt"


def test_weights_go_with_the_words_that_they_were_trained_with(weights, words):
    bind(weights, words)
    check_bound(weights, words, must_say=True)
    with h5py.File(weights) as file:
        assert list(file["layer"]) == [1.0, 2.0]


def test_only_files_of_older_formats_need_not_say_which_words(weights, words):
    check_bound(weights, words, must_say=False)
    with pytest.raises(BundleRejected, match="does not say which words it was trained with"):
        check_bound(weights, words, must_say=True)


@pytest.mark.parametrize("must_say", [True, False])
def test_as_many_words_in_another_order_are_other_words(weights, words, must_say):
    bind(weights, words)
    Vocabulary.of(["cat", "dog"]).write(words)
    with pytest.raises(BundleRejected, match="trained with other words"):
        check_bound(weights, words, must_say)


def test_what_is_no_weights_file_is_refused(tmp_path, words):
    (tmp_path / "w.h5").write_bytes(b"no weights")
    with pytest.raises(BundleRejected, match="cannot be read"):
        check_bound(tmp_path / "w.h5", words, must_say=False)
