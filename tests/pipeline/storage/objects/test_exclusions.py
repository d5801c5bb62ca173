"""Folders of systems, of Nightcap, and what a person leaves out."""

import pytest

from pipeline.storage.objects.exclusions import Exclusions, is_system_folder


@pytest.mark.parametrize(
    "folder",
    [
        "@eaDir", "#recycle", "@Recycle", "$RECYCLE.BIN", "$Recycle.Bin", "__MACOSX", "__macosx", "lost+found", "@tmp",
        "System Volume Information", "SYSTEM VOLUME INFORMATION", "2026/@eaDir", "a/b/$recycle.bin/S-1-5-21",
        "Catalog Previews.lrdata", "My.photoslibrary/resources", "iPhoto Library.photolibrary/Thumbnails/2026",
        "@EADIR", "#Recycle", "@recycle", "LOST+FOUND", "FOUND.001", "Recycled", "@GMT-2024.01.01-00.00.00",
        "appdata_oc1x/preview", "Thumbs.db", "#snapshot", "~Snapshot",
    ],
)  # fmt: skip
def test_folders_of_systems(folder):
    assert Exclusions().why_folder(folder) == "system_folder"
    assert Exclusions().why(f"{folder}/IMG_1.jpg") == "system_folder"


@pytest.mark.parametrize(
    "folder",
    [
        "2026",
        "recycle",
        "eadir",
        "lost",
        "found.jpg",
        "My.photoslibrary",
        "My.photoslibrary/originals",
        "resources",
        "preview",
        "eaDir",
    ],
)
def test_folders_of_people(folder):
    assert Exclusions().why_folder(folder) is None
    assert Exclusions().why(f"{folder}/IMG_1.jpg") is None
    assert not is_system_folder(folder.rpartition("/")[2])


def test_a_key_of_five_hundred_parts():
    assert Exclusions(["x"], ["y"]).why("a/" * 500 + "b.jpg") is None


def test_globs_and_own_folders():
    exclusions = Exclusions(["*_small.jpg", "/private", "caf\u00e9"], ["nightcap/home"])
    assert exclusions.why("2026/a_small.jpg") == "excluded"
    assert exclusions.why("private/x/a.jpg") == exclusions.why_folder("cafe\u0301") == "excluded"
    assert exclusions.why("nightcap/home/store/gallery/1.jpg") == "own_folder"
    assert exclusions.why("2026/private/a.jpg") is exclusions.why("nightcap/a.jpg") is None
