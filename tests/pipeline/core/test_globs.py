"""Globs over paths."""

import pytest

from pipeline.core.globs import glob_pattern


@pytest.mark.parametrize(
    ("glob", "named", "others"),
    [
        ("*_small.jpg", ["a_small.jpg", "x/y/a_small.jpg"], ["a_small.jpg.png", "small.jpg"]),
        ("private", ["private", "private/a.jpg", "x/private/y/b.jpg"], ["privately/a.jpg", "x/not private"]),
        ("private/", ["private/a.jpg", "x/private/a.jpg"], ["private2/a.jpg"]),
        ("/private", ["private/a.jpg"], ["x/private/a.jpg"]),
        ("x/*/raw", ["x/1/raw/a.jpg"], ["x/1/2/raw/a.jpg", "y/x/1/raw/a.jpg"]),
        ("**/raw/*.tif", ["raw/a.tif", "x/y/raw/a.tif"], ["raw/x/a.tif", "raw/a.jpg"]),
        ("x/**", ["x/a", "x/y/z"], ["x", "y/x/a"]),
        ("IMG_[0-4]?.jpg", ["IMG_42.jpg"], ["IMG_52.jpg", "IMG_4.jpg", "IMG_4/.jpg"]),
        ("[!a]*.jpg", ["b1.jpg", "d/b.jpg"], ["a1.jpg"]),
        ("a+b(1).jpg", ["a+b(1).jpg"], ["aab1.jpg"]),
        ("e\u0301t\u00e9", ["\u00e9t\u00e9/a.jpg"], ["ete/a.jpg"]),
        ("[", ["["], ["a"]),
    ],
)
def test_what_a_glob_names(glob, named, others):
    pattern = glob_pattern([glob, "nothing else"])
    assert [path for path in named if not pattern.fullmatch(path)] == []
    assert [path for path in others if pattern.fullmatch(path)] == []


def test_no_globs_name_nothing():
    assert not glob_pattern([]).fullmatch("")
    assert not glob_pattern([]).fullmatch("a")


@pytest.mark.parametrize("glob", ["", "/", "./", "[z-a].jpg"])
def test_what_is_no_glob(glob):
    with pytest.raises(ValueError, match=r"names nothing|is no glob"):
        glob_pattern([glob])
