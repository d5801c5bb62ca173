"""What keeps a stack from starting at all."""

import pytest

from nightcap.local.stack import LocalStack
from pipeline.core.environment import Home
from pipeline.core.errors import RegistryUnavailable


def test_an_mlflow_that_does_not_answer_is_told_at_once(tmp_path):
    stack = LocalStack(Home(tmp_path, tmp_path / "store", "http://127.0.0.1:9"))
    with pytest.raises(RegistryUnavailable, match=r"MLflow at http://127\.0\.0\.1:9 does not answer"):
        stack.start()
    stack.stop()
