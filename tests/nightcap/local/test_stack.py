"""What keeps a stack from starting at all, and who may ask its MLflow."""

import base64
import stat
import urllib.error
import urllib.request

import pytest

from nightcap.local.stack import LocalStack, _answers, _kept_secret
from pipeline.core.environment import Home
from pipeline.core.errors import RegistryUnavailable
from tests.until import until


def test_an_mlflow_that_does_not_answer_is_told_at_once(tmp_path):
    stack = LocalStack(Home(tmp_path, tmp_path / "store", "http://127.0.0.1:9"))
    with pytest.raises(RegistryUnavailable, match=r"MLflow at http://127\.0\.0\.1:9 does not answer"):
        stack.start()
    assert stack.mlflow_login == {}
    stack.stop()


def test_a_secret_is_made_once_and_its_owners_alone(tmp_path):
    secret = _kept_secret(tmp_path / "secret", 32)
    assert len(secret) > 40
    assert _kept_secret(tmp_path / "secret", 32) == secret
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_tasks_may_read_what_the_command_named(tmp_path):
    named = ("/data/photos", "s3://pictures/in", "https://example.org/w.h5", "/data/a,b")
    home = Home(tmp_path / "home", tmp_path / "store", "http://127.0.0.1:9", roots=named)
    home.create()
    assert Home.from_environment(LocalStack(home)._environment()).roots == named[:2]


def test_20_4_services_have_what_they_need_of_the_shell_s_variables_and_nothing_else(tmp_path, monkeypatch):
    """A token that somebody exported for another program is no business of tasks, nor of what they load."""
    own = {"GITHUB_TOKEN": "x", "OPENAI_API_KEY": "x", "SSH_AUTH_SOCK": "x", "PGPASSWORD": "x", "LD_PRELOAD": "x"}
    own |= {"DYLD_INSERT_LIBRARIES": "x"}
    theirs = {
        "AWS_PROFILE": "photos",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AIRFLOW__CORE__PARALLELISM": "9",
        "AIRFLOW_CONN_NIGHTCAP_STORE": "{}",
        "https_proxy": "http://proxy:1",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "NIGHTCAP_WEBHOOK": "http://127.0.0.1:1",
        "TMPDIR": str(tmp_path),
        "TFDS_DATA_DIR": "/data/tfds",
        "XDG_CACHE_HOME": "/data/cache",
        "CURL_CA_BUNDLE": "/etc/ca.pem",
        "ALL_PROXY": "socks5://proxy:1",
        "all_proxy": "socks5://proxy:1",
        "LC_TIME": "C.UTF-8",
        "PYTHONUTF8": "1",
        "DYLD_FALLBACK_LIBRARY_PATH": "/opt/lib",
    }
    for name, value in (own | theirs).items():
        monkeypatch.setenv(name, value)
    home = Home(tmp_path / "home", tmp_path / "store", f"sqlite:///{tmp_path}/mlflow.db")
    home.create()
    started = []
    monkeypatch.setattr("nightcap.local.stack.Service", lambda name, command, env, log: started.append(env))
    stack = LocalStack(home)
    stack._start_mlflow()
    for env in (*started, airflow := stack._environment()):
        assert [name for name in own if name in env] == []
        assert {"PATH", "HOME", "AWS_PROFILE", "https_proxy"} <= env.keys()
    assert {name: airflow[name] for name in theirs} == theirs | {"AIRFLOW__CORE__PARALLELISM": "2"}


def status(url, login=None):
    request = urllib.request.Request(url)
    if login:
        token = base64.b64encode(":".join(login).encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_mlflow_asks_for_a_login(tmp_path):
    home = Home(tmp_path / "50% home", tmp_path / "store", f"sqlite:///{tmp_path}/mlflow.db")
    home.create()
    stack = LocalStack(home, password="one that nobody else has")
    try:
        stack._start_mlflow()
        until(lambda: _answers(f"{stack.mlflow_url}/health"), 200, stack._log("mlflow").read_text, pause=0.5)
        models = f"{stack.mlflow_url}/api/2.0/mlflow/registered-models/search"
        user, password = stack.mlflow_login.values()
        assert (status(models), status(models, (user, "guessed"))) == (401, 401)
        assert status(models, (user, password)) == 200
        assert status(stack.mlflow_url, (user, password)) == 200
        stack.stop()
        (home.root / "airflow" / "mlflow_password").write_text("MLflow's alone\n")
        stack._start_mlflow()
        until(lambda: _answers(f"{stack.mlflow_url}/health"), 200, stack._log("mlflow").read_text, pause=0.5)
        models = f"{stack.mlflow_url}/api/2.0/mlflow/registered-models/search"
        assert [status(models, (user, word)) for word in (password, "MLflow's alone")] == [401, 200]
        assert stack.mlflow_login["MLFLOW_TRACKING_PASSWORD"] == "MLflow's alone"
        assert stack.password == password
    finally:
        stack.stop()
