"""What former nights found to be no image is not read again."""

import os

import pytest

from pipeline.storage.objects import ImageCheck, LocalFolder, PassedOver

RULES = "ab" * 32


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("README", "b\udcff", "photo"):
        (tmp_path / "in" / name).write_bytes(b"\xff\xd8\xff" if name == "photo" else b"text")
    return LocalFolder(tmp_path / "in")


@pytest.fixture
def night(folder, tmp_path, monkeypatch):
    """One listing; the names that were read, and those of images."""
    head = LocalFolder.head

    def run(rules=RULES, is_whole=True, only=None):
        read, infos = [], [info for info in folder.list() if only in (None, info.name)]
        monkeypatch.setattr(LocalFolder, "head", lambda self, info: read.append(info.name) or head(self, info))
        known = PassedOver(tmp_path / "known", rules)
        images = ImageCheck(folder, known).are_images(infos)
        known.save(is_whole)
        return sorted(read), [info.name for info, is_image in zip(infos, images, strict=True) if is_image]

    return run


def test_only_what_may_be_an_image_is_read_again(night):
    assert night() == (["README", "b\udcff", "photo"], ["photo"])
    assert night() == (["photo"], ["photo"])


def test_what_changed_is_read_again(night, folder):
    night()
    (folder.root / "README").write_bytes(b"\xff\xd8\xff and more")
    assert night() == (["README", "photo"], ["README", "photo"])
    os.utime(folder.root / "README", (1, 1))
    assert night()[1] == ["README", "photo"]


def test_other_rules_read_everything_again(night):
    night()
    assert night("cd" * 32)[0] == ["README", "b\udcff", "photo"]


def test_only_a_whole_listing_drops_what_it_did_not_see(night, tmp_path):
    night()
    night(is_whole=False, only="photo")
    assert night(only="README")[0] == []
    assert len((tmp_path / "known").read_bytes()) == 32 + 8
    assert night()[0] == ["b\udcff", "photo"]


def test_a_file_that_was_cut_costs_reads_only(night, tmp_path):
    night()
    (tmp_path / "known").write_bytes((tmp_path / "known").read_bytes()[:-3])
    read, images = night()
    assert (len(read), images) == (2, ["photo"])
