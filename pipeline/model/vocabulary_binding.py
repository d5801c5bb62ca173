"""Which words a decoder's weights were trained with: the file has their digest, so that no other words are read with them."""

from __future__ import annotations

from pathlib import Path

from pipeline.core.errors import BundleRejected
from pipeline.storage.files import sha256_file

WORDS = "vocabulary_sha256"


def bind(weights: Path, vocabulary: Path) -> None:
    """Write into a weights file which words its ids stand for."""
    import h5py

    with h5py.File(weights, "r+") as file:
        file.attrs[WORDS] = sha256_file(vocabulary)


def check_bound(weights: Path, vocabulary: Path, must_say: bool) -> None:
    """Reject a decoder's weights that were trained with other words; of old formats, `must_say` False, they may have none."""
    import h5py

    try:
        with h5py.File(weights, "r") as file:
            bound = file.attrs.get(WORDS)
    except OSError as error:
        raise BundleRejected(f"{weights} cannot be read: {error}; register the model anew") from error
    if bound is None and must_say:
        raise BundleRejected(
            f"{weights} does not say which words it was trained with (attribute {WORDS}); register the model anew"
        )
    if bound is not None and bound != sha256_file(vocabulary):
        raise BundleRejected(
            f"{weights} was trained with other words than {vocabulary} holds, so its captions would be of the "
            "wrong words; put the vocabulary of this model back, or register it anew"
        )
