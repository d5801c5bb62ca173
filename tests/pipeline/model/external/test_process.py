import sys

import pytest

from pipeline.core.environment import ExternalLimits
from pipeline.core.errors import BadInput
from pipeline.model.external.process import ExternalProcess
from tests.pipeline.model.external.strangers import running


@pytest.mark.parametrize(
    "talk",
    ["print('{}')", "print('[1]')", "print('nonsense')", "print('x' * (2 << 20))", "print('[' * 100000)", "pass"],
)
def test_one_that_does_not_keep_to_the_protocol_is_ended(talk, tmp_path):
    script = tmp_path / "python"
    script.write_text(f"#!{sys.executable} -IS\n{talk}\nimport sys; sys.stdout.flush(); sys.stdin.readline()\n")
    script.chmod(0o755)
    with pytest.raises(BadInput):
        ExternalProcess(tmp_path, ExternalLimits(str(script), 0, 3, 3)).ask([b"abc"])
    assert running() == []
