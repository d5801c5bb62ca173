"""What several commands are run on."""

import os

import pytest


@pytest.fixture
def inbox(trained, tmp_path, photo, monkeypatch):
    """A folder of new images, and a store of one's own beside the trained model's registry."""
    monkeypatch.setenv("NIGHTCAP_STORE", str(tmp_path / "store"))
    folder = tmp_path / "inbox"
    folder.mkdir()
    for name, data in {"a.jpg": photo(1), "b.jpg": photo(2), "broken.jpg": b"GIF89a", "notes.txt": b"x"}.items():
        (folder / name).write_bytes(data)
        os.utime(folder / name, (1e9, 1e9))
    return folder
