"""Tests mirror the product: a module's tests are where its path says, and every test file is about a module."""

from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
PACKAGES = ("pipeline", "serving", "nightcap")
# Modules without tests of their own, and why.
EXCEPTIONS = {
    "pipeline/model/interface.py": "a protocol and two records of fields; every captioner's test uses them",
    "pipeline/data/sources/base.py": "a Protocol and two records; tests of every source use them",
    "pipeline/release/gate/stage.py": "it compares registered versions, which tests/pipeline/release/test_register.py trains",
    "pipeline/upkeep/backup/stack.py": "it needs the stack's stores, which tests/integration/test_backup.py starts",
    "pipeline/storage/tables/people_table.py": "what corrections and reviews share; the tests of both use it",
    "nightcap/__main__.py": "one call; every test that starts `nightcap` as a process runs it",
}


def modules():
    for package in PACKAGES:
        for path in (CHECKOUT / package).rglob("*.py"):
            if path.name != "__init__.py":
                yield path.relative_to(CHECKOUT)


def is_tested(module):
    place = CHECKOUT / "tests" / module.parent
    folder = place / module.stem
    return (place / f"test_{module.stem}.py").is_file() or any(folder.glob("test_*.py"))


def is_about_a_module(test):
    """Whether a test file is `test_<module>.py` or `test_<module>_<more>.py`, or lies in a folder `<module>/`."""
    place = CHECKOUT / test.relative_to("tests").parent
    if place.with_suffix(".py").is_file():
        return True
    words = test.stem.removeprefix("test_").split("_")
    return any((place / f"{'_'.join(words[:count])}.py").is_file() for count in range(1, len(words) + 1))


@pytest.mark.parametrize("module", sorted(map(str, modules())))
def test_a_module_has_tests_at_its_place_or_an_exception(module):
    if module in EXCEPTIONS:
        assert not is_tested(Path(module)), f"{module} has tests now; remove its exception"
    else:
        assert is_tested(Path(module)), f"no tests/{Path(module).parent}/test_{Path(module).name}"


def test_an_exception_is_for_a_module_that_exists():
    assert [module for module in EXCEPTIONS if not (CHECKOUT / module).is_file()] == []


def test_a_test_file_is_about_a_module():
    found = [path for package in PACKAGES for path in (CHECKOUT / "tests" / package).rglob("test_*.py")]
    astray = [str(path) for path in (each.relative_to(CHECKOUT) for each in found) if not is_about_a_module(path)]
    assert astray == [], "no module of the same path; move or rename these"
