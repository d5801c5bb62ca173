import pytest

from pipeline.core.errors import BundleRejected, ModelNotFound
from pipeline.model.external.package import read_external
from pipeline.registry.external import name_external
from pipeline.registry.versions import DIGEST_TAG, Registry
from tests.pipeline.model.external.strangers import log_model


@pytest.mark.parametrize(
    "unfit",
    [
        {"inputs": ("text",)},
        {"inputs": ("image", "question")},
        {"outputs": ("label",)},
        {"side": 0},
        {"fit": "stretch"},
    ],
)
def test_what_takes_or_gives_something_else_is_no_captioner(stranger, unfit):
    uri = log_model(stranger.home, "unfit", **unfit)
    with pytest.raises(BundleRejected, match=r"signature|metadata"):
        name_external(stranger.home, uri, "ann")
    assert DIGEST_TAG not in Registry(stranger.home).version(uri).tags


def test_a_folder_without_a_model_is_not_found(tmp_path):
    with pytest.raises(ModelNotFound, match="no MLflow model"):
        read_external(tmp_path)


def test_a_link_and_other_files_than_the_named_ones_are_refused(tmp_path):
    (tmp_path / "MLmodel").write_text("flavors: {}")
    with pytest.raises(BundleRejected, match="those that were named have 000000000000"):
        read_external(tmp_path, "0" * 64)
    (tmp_path / "code.py").symlink_to(tmp_path / "MLmodel")
    with pytest.raises(BundleRejected, match=r"code\.py is a symbolic link"):
        read_external(tmp_path)
