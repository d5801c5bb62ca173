import logging
import shutil
import time

import pytest

from pipeline.metrics.meteor import find_jar, meteor

REFERENCES = [[["a", "dog", "runs"], ["the", "dog", "is", "running"]], [["two", "cats"]]]

needs_java = pytest.mark.skipif(not (shutil.which("java") and find_jar()), reason="needs Java and pycocoevalcap")


@needs_java
def test_a_right_and_an_empty_caption_score_in_between():
    assert 0.2 < meteor(REFERENCES, [["a", "dog", "runs"], []]) < 0.9


@needs_java
def test_a_time_limit_ends_it(monkeypatch, caplog):
    monkeypatch.setattr("pipeline.metrics.meteor._TIME_LIMIT_S", 0.01)
    start = time.monotonic()
    assert meteor(REFERENCES, [["a"], ["b"]]) is None
    assert time.monotonic() - start < 5
    assert "longer than 0.01 s" in caplog.text


def test_without_java_the_reason_is_logged(monkeypatch, caplog, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with caplog.at_level(logging.INFO):
        assert meteor(REFERENCES, [["a"], ["b"]]) is None
    assert "java is not on the PATH" in caplog.text


@pytest.mark.skipif(not find_jar(), reason="needs pycocoevalcap")
@pytest.mark.parametrize(
    ("script", "reason"),
    [("echo broken jar >&2; exit 3", "ended with 3: broken jar"), ("echo nonsense", "nonsense")],
)
def test_a_failure_of_java_is_logged(monkeypatch, caplog, tmp_path, script, reason):
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\n{script}\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert meteor(REFERENCES, [["a"], ["b"]]) is None
    assert reason in caplog.text
