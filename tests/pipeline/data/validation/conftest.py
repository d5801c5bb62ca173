import pytest

from pipeline.storage.stage_outputs import Store
from tests.pipeline.data.validation.bad_dataset import Validated


@pytest.fixture(scope="session")
def validated(new_dataset, image, tmp_path_factory):
    return Validated(new_dataset(), image, Store(tmp_path_factory.mktemp("store")))
