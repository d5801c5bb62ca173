"""infra/make_env.py: secrets are random, private and never replaced."""

import base64
import ctypes
import ctypes.util
import re
import stat
import string

import pytest

from infra.make_env import bcrypt
from tests.infra.compose_file import compose, make_env


def test_env_is_private_random_and_never_replaced(checkout):
    assert make_env(checkout).returncode == 0
    env = checkout / ".env"
    first = env.read_text()
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    again = make_env(checkout)
    assert again.returncode == 0
    assert f"{env} lacks nothing" in again.stdout
    assert env.read_text() == first
    env.unlink()
    make_env(checkout)
    secrets = [dict(re.findall(r"^(\w+)=(.+)$", text, re.MULTILINE)) for text in (first, env.read_text())]
    assert secrets[0].keys() == secrets[1].keys()
    values = [value for made in secrets for value in made.values()]
    assert len(values) == len(set(values)) == 52
    assert all(len(value) >= 44 for value in values)
    assert sorted(path.name for path in checkout.iterdir()) == [".env", ".env.example", "docker-compose.yml", "infra"]


def variables(env):
    return dict(re.findall(r"^(\w+)=(.+)$", env.read_text(), re.MULTILINE))


def test_an_old_env_gains_what_it_lacks_and_keeps_every_line(checkout):
    make_env(checkout)
    env = checkout / ".env"
    lacking = ["S3_PICTURES_ACCESS_KEY", "MLFLOW_SECRET_KEY", "PUSHGATEWAY_PASSWORD", "PUSHGATEWAY_PASSWORD_HASH"]
    kept = [line for line in env.read_text().splitlines() if line.partition("=")[0] not in lacking]
    old = "\n".join([*kept, "MLFLOW_SECRET_KEY=", "export MINE = 'a b' ", "# S3_PICTURES_ACCESS_KEY=no"])
    env.write_text(old)
    env.chmod(0o640)
    told = make_env(checkout)
    assert (told.returncode, told.stdout) == (
        0,
        f"added to {env} what it lacked, and changed nothing else: {', '.join(lacking)}\n",
    )
    assert env.read_text().startswith(f"{old}\n\n# Added")
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    made = variables(env)
    assert len({made[name] for name in lacking}) == len(lacking)
    assert f"{env} lacks nothing" in make_env(checkout).stdout
    assert compose(checkout, "config").returncode == 0


def test_an_env_that_cannot_be_read_is_named_and_kept(checkout):
    env = checkout / ".env"
    env.mkdir()
    assert_refused(checkout, f"{env} is no file; move it away")
    env.rmdir()
    env.write_bytes("MINE=é\n".encode("latin-1"))
    assert_refused(checkout, f"{env} is not in UTF-8")
    assert env.read_bytes() == "MINE=é\n".encode("latin-1")


def assert_refused(checkout, message):
    told = make_env(checkout)
    assert (told.returncode, message in told.stderr, "Traceback" in told.stderr) == (1, True, False)


def test_a_hash_is_made_of_the_password_that_is_there(checkout):
    make_env(checkout)
    env = checkout / ".env"
    password, hashed = (variables(env)[f"PUSHGATEWAY_PASSWORD{end}"] for end in ("", "_HASH"))
    env.write_text(env.read_text().replace(f"PUSHGATEWAY_PASSWORD_HASH={hashed}\n", ""))
    assert make_env(checkout).returncode == 0
    again = variables(env)["PUSHGATEWAY_PASSWORD_HASH"].strip("'")
    assert again != hashed.strip("'")
    salt = bytes_of(again[7:29])
    assert bcrypt(password.encode(), salt) == again
    env.write_text(re.sub(r"^PUSHGATEWAY_PASSWORD=.*\n", "", env.read_text(), flags=re.MULTILINE))
    before = env.read_text()
    told = make_env(checkout)
    assert told.returncode == 1
    assert "PUSHGATEWAY_PASSWORD is missing, and its hash is there; remove PUSHGATEWAY_PASSWORD_HASH" in told.stderr
    assert env.read_text() == before


def bytes_of(salt):
    """The inverse of bcrypt's own base64."""
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits
    return base64.b64decode(salt.translate(str.maketrans("./" + letters, letters + "+/")) + "==")


@pytest.mark.parametrize("password", ["", "café", "a" * 71])
@pytest.mark.parametrize("cost", [4, 5])
def test_hashes_are_those_of_the_c_library(password, cost):
    found = ctypes.util.find_library("crypt")
    if found is None:
        pytest.skip("needs libcrypt")
    library = ctypes.CDLL(found)
    library.crypt.restype = ctypes.c_char_p
    made = bcrypt(password.encode(), b"0123456789abcde\xff", cost)
    if (theirs := library.crypt(password.encode(), made[:29].encode())) is None or theirs.startswith(b"*"):
        pytest.skip("this libcrypt has no bcrypt")
    assert made == theirs.decode()


def test_airflow_takes_the_fernet_key(checkout):
    from cryptography.fernet import Fernet

    make_env(checkout)
    key = re.search(r"^AIRFLOW_FERNET_KEY=(.+)$", (checkout / ".env").read_text(), re.MULTILINE)[1]
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"connection")) == b"connection"
