"""Names and passwords that stand in addresses: none may reach a log, a page or the registry."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import quote, unquote

HIDDEN = "***"

# What is secret by its name, in an address' query and in the environment: names that hold one of the first words, or end
# with one of the second.
_PARTS: Final = (
    *("key", "token", "secret", "signature", "passw", "passphrase", "pwd", "credential", "x_amz_", "x_goog_"),
    *("authorization", "bearer", "hmac", "ticket", "assertion", "sessionid", "sessid"),
)
_ENDS: Final = ("code", "sig", "auth", "pass", "pw", "sas", "jwt", "otp", "pin", "session", "sid")


def _any_case(text: str) -> str:
    """A pattern without flags, because Airflow's form is checked by a browser, too."""
    return "".join(f"[{char.upper()}{char}]" if char.isalpha() else "[_-]" for char in text)


_SECRET_NAME: Final = (
    rf"(?:[\w.-]*(?:{'|'.join(map(_any_case, _PARTS))})[\w.-]*|(?:[\w.-]*[_.-])?(?:{'|'.join(map(_any_case, _ENDS))}))"
)
# In a query also within brackets, `q[token]` and `token[]`; no honest name has its letters in percent signs.
_QUERY_NAME: Final = (
    rf"[?&;#](?:(?:[\w.-]*\[)?{_SECRET_NAME}\]?(?:\[[^\]&=\s]*\])?|[^=&#?;\s]*%[4-7][0-9A-Fa-f][^=&#?;\s]*)="
)
# A host with its port, or an IPv6 address, and what can follow it: an @ behind that belongs to a path or to other text.
_HOST: Final = r"(?:[^/@:\s]+:\d{1,5}|\[[^\]@/\s]*\](?::\d{1,5})?)[/?#\"'`<>)\]}\\]"
# A password may hold any sign but a space; that of a user whose name ends with a colon reaches to the last @. One
# address may name several hosts with a user each, and commas between them.
_USER: Final = rf"(?!{_HOST})(?:(?:[^/@\s]*@)+|[^/@:\s]*:\S*@)"
# The name and password before an address' host, and a value after a secret name in its query or fragment.
_SECRET: Final = re.compile(rf"(?P<before>://){_USER}|(?P<name>{_QUERY_NAME})(?:[^&\s]*[^&\s\]\"'),.;}}])?")
PATTERN = rf"^(?!.*://{_USER})(?!.*{_QUERY_NAME}).+$"
# In messages of libraries: a header, a setting of libpq, a field of JSON. `password: must be long` is a sentence.
_FIELD: Final = re.compile(
    r"(?i)(\bauthorization[\"']?\s*[:=]\s*[\"']?(?:[a-z]+\s+)?"
    r"|pass(?:word|wd)[\"']?\s*[:=]\s*(?P<quote>[\"'])?"
    r"|(?:secret|token|access[_-]?key)(?:[_-]?(?:key|id|value|\d{1,2}))?(?:[\"']\s*:\s*(?=[\"'])|=)(?P<quote_2>[\"'])?)"
    r"(?!(?<=: )(?:must|should|may|is|has|cannot|needs|too|at) )"
    r"(?:(?(quote)(?:\\.|(?!(?P=quote))[^\\])+|(?(quote_2)(?:\\.|(?!(?P=quote_2))[^\\])+|[^\s\"',;&}]+)))"
)
_PASSWORDS: Final = (re.compile(r"(?:://|[,;])[^/@:,;\s]*:([^@\s]+)@"), re.compile(r"://[^/@:\s]*:(\S+)@"))
_IN_QUERY: Final = re.compile(rf"{_QUERY_NAME}([^&#\s]+)")
_VARIABLE: Final = re.compile(rf"(?!(?:OLD)?PWD$)(?:{_SECRET_NAME}|.*(?:WEBHOOK|SQL_ALCHEMY_CONN).*)")
_SHORTEST: Final = 6  # a shorter value is in any text by chance


def masked(text: str) -> str:
    """A text without the names, passwords and signatures in the addresses that it mentions."""
    return _SECRET.sub(lambda found: f"://{HIDDEN}@" if found["before"] else f"{found['name']}{HIDDEN}", text)


def without_user(address: str) -> str:
    """An address without the name and password before its host."""
    return re.sub(f"(?<=://){_USER}", "", address)


def is_secret(name: str) -> bool:
    """Whether a variable of this name holds a secret."""
    return bool(_VARIABLE.fullmatch(name))


def scrubbed(text: object, environ: Mapping[str, str] = os.environ) -> str:
    """A text without names and passwords of addresses, and without values of variables that are called secret.

    Nor has it passwords that stand in other variables, such as an address' or a connection's of Airflow. Each is taken
    out as it stands in an address, too.
    """
    clean = _FIELD.sub(rf"\1{HIDDEN}", masked(str(text)))
    secrets = {secret for name, value in environ.items() for secret in _secrets_in(name, value)}
    values = filter(_is_long, secrets)
    for secret in sorted({each for value in values for each in _spellings(value)}, key=len, reverse=True):
        clean = clean.replace(secret, HIDDEN)
    return clean


def _secrets_in(name: str, value: str) -> Iterator[str]:
    if is_secret(name):
        yield value
    for pattern in (*_PASSWORDS, _IN_QUERY):
        yield from pattern.findall(value)
    if value.startswith("{"):
        with suppress(ValueError, RecursionError):
            yield from _secrets_of(json.loads(value))


def _secrets_of(fields: Mapping[str, object]) -> Iterator[str]:
    """The secrets in fields of JSON, as Airflow's connections have them, whose `extra` may be fields or JSON as text."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _secrets_of(value)
        elif isinstance(value, str):
            yield from _secrets_in(name, value)


def _is_long(secret: str) -> bool:
    return len(secret) >= _SHORTEST


def _spellings(secret: str) -> Iterator[str]:
    """A secret as it is and decoded; each also as an address, JSON and a file of settings have it."""
    for plain in filter(_is_long, (secret, unquote(secret))):
        yield from (plain, quote(plain, safe=""), quote(plain, safe="%"), plain.replace("%", "%%"))
        yield json.dumps(plain)[1:-1]
