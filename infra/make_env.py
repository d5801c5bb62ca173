"""Write .env from .env.example with a random secret for every empty variable; any plain Python 3 runs this."""

import base64
import os
import re
import secrets
import sys
import tempfile
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent
PRESENT = (
    "{path} is already there and its secrets belong to the volumes made with it; nothing was changed. "
    "To start anew, remove the volumes (docker compose --profile '*' down --volumes) and then the file."
)


def filled(example: str) -> str:
    """The example with a secret behind each `NAME=` that has none."""
    return re.sub(r"^(?!#).*=$", lambda line: line[0] + _secret(line[0]), example, flags=re.MULTILINE)


def _secret(name: str) -> str:
    # Hexadecimal is safe in a URL and in an S3 signature; Fernet takes nothing but padded base64.
    if name == "AIRFLOW_FERNET_KEY=":
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(32)


def write_once(path: Path, text: str) -> None:
    """Write a file atomically that only its owner reads; FileExistsError if it is there."""
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=".env.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.link(scratch, path)  # unlike a rename, a link never replaces
    finally:
        Path(scratch).unlink()


def main() -> None:
    """Write .env beside .env.example."""
    path = _CHECKOUT / ".env"
    try:
        write_once(path, filled((_CHECKOUT / ".env.example").read_text(encoding="utf-8")))
    except FileExistsError:
        raise SystemExit(PRESENT.format(path=path)) from None
    sys.stdout.write(f"wrote {path} with random secrets; only you can read it\n")


if __name__ == "__main__":
    main()
