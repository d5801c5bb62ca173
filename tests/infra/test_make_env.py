"""infra/make_env.py: secrets are random, private and never replaced."""

import ctypes
import ctypes.util
import re
import stat

import pytest

from infra.make_env import bcrypt
from tests.infra.compose_file import make_env


def test_env_is_private_random_and_never_replaced(checkout):
    assert make_env(checkout).returncode == 0
    env = checkout / ".env"
    first = env.read_text()
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    again = make_env(checkout)
    assert again.returncode == 1
    assert str(env) in again.stderr
    assert env.read_text() == first
    env.unlink()
    make_env(checkout)
    secrets = [dict(re.findall(r"^(\w+)=(.+)$", text, re.MULTILINE)) for text in (first, env.read_text())]
    assert secrets[0].keys() == secrets[1].keys()
    values = [value for made in secrets for value in made.values()]
    assert len(values) == len(set(values)) == 52
    assert all(len(value) >= 44 for value in values)
    assert sorted(path.name for path in checkout.iterdir()) == [".env", ".env.example", "docker-compose.yml", "infra"]


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
