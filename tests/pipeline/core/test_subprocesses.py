import os
import signal
import subprocess

import pytest

import pipeline
from pipeline.core.subprocesses import child_environment, is_stopped, module_environment, run_module

PROGRAM = """
import json, os, sys, time
import pipeline
print("a line of a library")
exec(sys.argv[1])
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    folder = tmp_path / "path"
    folder.mkdir()
    (folder / "program.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(folder))

    def run(code, timeout_s=60, **changes):
        env = module_environment(**changes)
        return run_module("program", code, env=env, timeout_s=timeout_s, folder=tmp_path)

    return run


def test_the_answer_is_the_last_line_of_a_process_that_finds_the_same_code(run, tmp_path):
    answer = run("print(json.dumps([[n, v] for n, v in dict(a=pipeline.__file__, b=os.getcwd()).items()]))")
    assert answer == {"a": pipeline.__file__, "b": str(tmp_path)}


def test_changes_of_the_environment_reach_it_and_no_input(run):
    answer = run("print(json.dumps({'word': os.environ['WORD'], 'input': sys.stdin.read()}))", WORD="red")
    assert answer == {"word": "red", "input": ""}


def test_no_answer_is_an_error_with_what_it_wrote(run):
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run("sys.stderr.write('nothing to say')")
    assert (caught.value.returncode, caught.value.stderr) == (0, "nothing to say")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run("raise SystemExit(3)")
    assert caught.value.returncode == 3


def test_a_signal_is_its_exit_status(run):
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run("os.kill(os.getpid(), 9)")
    assert caught.value.returncode == -signal.SIGKILL


def test_it_is_killed_when_its_time_is_over(run, tmp_path):
    with pytest.raises(subprocess.TimeoutExpired):
        run(f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)", timeout_s=10)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_the_path_of_this_process_is_kept(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/one")
    assert module_environment()["PYTHONPATH"].split(os.pathsep)[1:] == ["/one"]


def test_a_child_finds_no_secret_unless_it_is_to_reach_the_registry(monkeypatch):
    secrets = ["AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "NIGHTCAP_WEBHOOK"]
    others = ["AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "SOME_TOKEN"]
    others += ["TF_VAR_db_password", "TF_TOKEN_app_terraform_io", "KERAS_API_KEY"]
    for name in secrets + others:
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    plain, trusted = child_environment(A="b"), child_environment(credentials=True)
    assert "canary" not in plain.values()
    assert (plain["TF_ENABLE_ONEDNN_OPTS"], plain["A"], plain["PATH"]) == ("1", "b", os.environ["PATH"])
    assert sorted(name for name, value in trusted.items() if value == "canary") == secrets


def test_a_process_that_stands_still():
    with subprocess.Popen(["sleep", "60"]) as process:
        assert not is_stopped(process.pid)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        assert is_stopped(process.pid)
        process.kill()
    assert not is_stopped(process.pid)
