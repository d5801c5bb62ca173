"""Names and passwords that stand in addresses: none may reach a log, a page or the registry."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema

HIDDEN = "***"

# What an address must not hold: a name or password before its host, or a signature after it.
_USER = re.compile(r"(?<=://)[^/@\s]*@")
_QUERY = re.compile(
    r"(?i)(?<=[?&;])([\w.-]*(?:key|token|secret|signature|password|passwd|credential|sig)[\w.-]*)=[^&\s;\"']*"
)
PATTERN = r"^(?![^?]*://[^/@]*@)(?!.*[?&;][\w.-]*([Kk]ey|[Tt]oken|[Ss]ecret|[Ss]ignature|[Pp]assword|[Cc]redential)[\w.-]*=).+$"
_SECRET_NAME: Final = re.compile(r"SECRET|PASSWORD|TOKEN|KEY|CREDENTIAL|WEBHOOK|SQL_ALCHEMY_CONN", re.IGNORECASE)
_SHORTEST: Final = 6  # a shorter value is in any text by chance


def masked(text: str) -> str:
    """A text without the names, passwords and signatures in the addresses that it mentions."""
    return _QUERY.sub(rf"\1={HIDDEN}", _USER.sub(f"{HIDDEN}@", text))


def scrubbed(text: object, environ: Mapping[str, str] = os.environ) -> str:
    """A text without names and passwords of addresses, and without values of variables that are called secret."""
    clean = masked(str(text))
    secrets = {value for name, value in environ.items() if _SECRET_NAME.search(name) and len(value) >= _SHORTEST}
    for secret in sorted(secrets, key=len, reverse=True):
        clean = clean.replace(secret, HIDDEN)
    return clean


def _without_secrets(text: str) -> str:
    if masked(text) != text:
        raise ValueError(
            "holds a name, password or signature, which would be kept with the model; "
            "leave it to the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, a profile)"
        )
    return text


# A path or an address in settings; Airflow's form refuses a secret before it keeps it.
Address = Annotated[str, AfterValidator(_without_secrets), WithJsonSchema({"type": "string", "pattern": PATTERN})]
