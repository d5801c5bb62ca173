import stat
from pathlib import Path

import pytest

from pipeline.core.environment import ExternalLimits, Home
from pipeline.core.errors import SettingsError


def test_everything_lies_under_the_home_unless_told_otherwise(tmp_path):
    home = Home.from_environment({"NIGHTCAP_HOME": str(tmp_path)})
    assert home == Home(tmp_path, tmp_path / "store", f"sqlite:///{tmp_path}/mlflow.db")
    assert home.artifacts == tmp_path / "store" / "mlflow"
    assert home.inbox == tmp_path / "inbox"
    assert home.captions == tmp_path / "store" / "captions"


def test_store_and_tracking_server_are_honoured(tmp_path):
    names = {"NIGHTCAP_STORE": "/else/where", "MLFLOW_TRACKING_URI": "http://127.0.0.1:5000"}
    home = Home.from_environment({"NIGHTCAP_HOME": str(tmp_path), **names})
    assert home == Home(tmp_path, Path("/else/where"), "http://127.0.0.1:5000")
    assert home.captions == Path("/else/where/captions")


def test_input_and_captions_may_lie_elsewhere(tmp_path):
    names = {"NIGHTCAP_INPUT": "s3://pictures/inbox", "NIGHTCAP_CAPTIONS": "/else/where"}
    home = Home.from_environment({"NIGHTCAP_HOME": str(tmp_path), **names})
    assert (home.input, home.captions) == ("s3://pictures/inbox", Path("/else/where"))
    assert Home.from_environment({"NIGHTCAP_HOME": str(tmp_path)}).input == str(home.inbox)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("NIGHTCAP_INPUT", "inbox", "absolute folder or s3://bucket/prefix"),
        ("NIGHTCAP_PROMOTIONS", "file:///journal", "absolute folder or s3://bucket/prefix"),
        ("NIGHTCAP_CAPTIONS", "s3://bucket/captions", "absolute folder$"),
    ],
)
def test_a_place_of_another_kind_is_refused_with_its_value(tmp_path, name, value, allowed):
    with pytest.raises(SettingsError, match=f"{name} is '{value}'.*{allowed}"):
        Home.from_environment({"NIGHTCAP_HOME": str(tmp_path), name: value})


@pytest.mark.parametrize("name", ["NIGHTCAP_HOME", "NIGHTCAP_STORE", "NIGHTCAP_CAPTIONS"])
@pytest.mark.parametrize("folder", ["a%41b", "a?b", "[a]"])
def test_a_folder_that_databases_and_tables_would_misread_is_refused(tmp_path, name, folder):
    with pytest.raises(SettingsError, match=f"{name} is .*which databases and tables cannot have in a path; rename"):
        Home.from_environment({"NIGHTCAP_HOME": str(tmp_path), name: f"/data/{folder}"})


@pytest.mark.parametrize("environ", [{}, {"NIGHTCAP_HOME": "", "NIGHTCAP_STORE": "", "MLFLOW_TRACKING_URI": ""}])
def test_unset_or_empty_it_is_beside_the_checkout(environ):
    checkout = Path(__file__).resolve().parents[3]
    assert Home.from_environment(environ).root == checkout / ".nightcap"


@pytest.mark.parametrize("value", ["here", "./here", "~/nightcap"])
def test_a_relative_home_is_refused_with_its_value(value):
    with pytest.raises(SettingsError, match="absolute folder") as caught:
        Home.from_environment({"NIGHTCAP_HOME": value})
    assert "NIGHTCAP_HOME" in str(caught.value)
    assert str(Path(value)) in str(caught.value)


@pytest.mark.parametrize("value", ["s3://bucket/store", "store"])
def test_a_store_that_is_no_absolute_folder_is_refused_with_its_value(tmp_path, value):
    with pytest.raises(SettingsError, match="NIGHTCAP_STORE") as caught:
        Home.from_environment({"NIGHTCAP_HOME": str(tmp_path), "NIGHTCAP_STORE": value})
    assert repr(value) in str(caught.value)


def test_the_environment_is_read_at_the_call(monkeypatch, tmp_path):
    monkeypatch.setenv("NIGHTCAP_HOME", str(tmp_path / "later"))
    assert Home.from_environment().root == tmp_path / "later"


def limits(**environ):
    return Home.from_environment({f"NIGHTCAP_{name}": value for name, value in environ.items()}).external


def test_limits_of_external_captioners_are_read_from_the_environment():
    read = limits(EXTERNAL_PYTHON="/opt/python", EXTERNAL_MEMORY_MB="0", EXTERNAL_BATCH_S="9")
    assert read == ExternalLimits("/opt/python", 0, ExternalLimits.load_s, 9)
    assert limits() == ExternalLimits()
    for wrong in ("-1", "many", "1.5", "²"):
        with pytest.raises(SettingsError, match=f"NIGHTCAP_EXTERNAL_LOAD_S is '{wrong}': set it to a whole number"):
            limits(EXTERNAL_LOAD_S=wrong)


def test_the_former_names_of_limits_are_read_with_a_warning(caplog):
    assert limits(FOREIGN_LOAD_S="7", FOREIGN_BATCH_S="8", EXTERNAL_BATCH_S="9") == ExternalLimits(load_s=7, batch_s=9)
    (line,) = caplog.messages
    assert "NIGHTCAP_FOREIGN_LOAD_S is now called NIGHTCAP_EXTERNAL_LOAD_S" in line


def test_an_address_that_may_be_a_secret_is_not_repeated():
    for name in ("NIGHTCAP_WEBHOOK", "NIGHTCAP_PUSHGATEWAY", "NIGHTCAP_MLFLOW_URL"):
        with pytest.raises(SettingsError, match=f"^{name}: no address; set it to one that begins with http") as caught:
            Home.from_environment({name: "secret-token"})
        assert "secret-token" not in str(caught.value)
    assert "hooks" not in repr(Home.from_environment({"NIGHTCAP_WEBHOOK": "https://hooks"}))


@pytest.mark.parametrize("name", ["NIGHTCAP_APP_URL", "NIGHTCAP_AIRFLOW_URL"])
def test_pages_have_an_address_to_which_more_can_be_added(name):
    for address in ("", "https://nightcap.example", "http://127.0.0.1:8090", "http://my_host-1:80/a/b.c/~d%20"):
        for given in (address, f"{address}/" if address else ""):
            home = Home.from_environment({name: given})
            assert {home.app_url, home.airflow_url} == {"", address}
    wrong = ["/?key=k", "?key=k", "/#top", "/a b", "/a;b", ";", "\n/", ":port", ":123456", ",b", "é", "/é", "'", "]"]
    others = ["a", "http://", "http://ann@a", "http://ann:pw@a", "http://[::1", "http://[::1]:8090"]
    for address in (*others, *(f"http://a{rest}" for rest in wrong)):
        with pytest.raises(SettingsError, match=rf"^{name}: .* set it to the address without \?key=") as caught:
            Home.from_environment({name: address})
        assert "=k" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("NIGHTCAP_ROOTS", "/data, pictures", "'pictures' is a relative path; use absolute folders and s3://"),
        ("NIGHTCAP_PROMOTED_ONLY", "yes", "set it to true or false"),
    ],
)
def test_other_wrong_values_are_refused_with_a_remedy(name, value, remedy):
    with pytest.raises(SettingsError, match=f"{name} is '{value}': {remedy}"):
        Home.from_environment({name: value})


def test_a_home_that_is_made_is_its_owners_alone_and_one_that_is_there_stays_as_it_is(tmp_path):
    home = Home.from_environment({"NIGHTCAP_HOME": str(tmp_path / "deep" / "home")})
    home.create()
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
    home.root.chmod(0o755)
    home.create()
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o755
