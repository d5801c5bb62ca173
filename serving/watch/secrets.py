"""What must not leave in a message: credentials in addresses and in the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from pipeline.secrets import HIDDEN, masked

_SECRET_NAME: Final = re.compile(r"SECRET|PASSWORD|TOKEN|KEY|CREDENTIAL|WEBHOOK|SQL_ALCHEMY_CONN", re.IGNORECASE)
_SHORTEST: Final = 6  # a shorter value is in any text by chance


def scrubbed(text: object, environ: Mapping[str, str] = os.environ) -> str:
    """A text without names and passwords of addresses, and without values of variables that are called secret."""
    told = masked(str(text))
    secrets = {value for name, value in environ.items() if _SECRET_NAME.search(name) and len(value) >= _SHORTEST}
    for secret in sorted(secrets, key=len, reverse=True):
        told = told.replace(secret, HIDDEN)
    return told
