import importlib.metadata

from pipeline.core.packages import installed_versions


def test_installed_packages_have_their_versions_in_the_order_asked():
    versions = installed_versions(["numpy", "pillow"])
    assert list(versions.items()) == [(name, importlib.metadata.version(name)) for name in ("numpy", "pillow")]


def test_a_package_that_is_not_installed_is_left_out():
    assert list(installed_versions(["no-such-package", "numpy"])) == ["numpy"]
