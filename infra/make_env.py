"""Write .env from .env.example with a random secret for every empty variable; any plain Python 3 runs this.

Where .env is there, it gains the variables that it lacks, and no line of it changes.
"""

import base64
import os
import re
import secrets
import string
import sys
import tempfile
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent
PRESENT = (
    "{path} lacks nothing, and its secrets belong to the volumes made with it; nothing was changed. "
    "To start anew, remove the volumes (docker compose --profile '*' down --volumes) and then the file."
)
_VARIABLE = re.compile(r"^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*=[ \t]*(\S.*?)[ \t\r]*$", re.MULTILINE)  # with a value

_ROUNDS, _BOXES = 16, 4  # of Blowfish


def filled(example: str, kept: dict[str, str]) -> dict[str, str]:
    """The variables of the example that `kept` lacks, with a secret for each, and for each `NAME_HASH` NAME's hash."""
    made: dict[str, str] = {}
    for name in re.findall(r"^(\w+)=$", example, flags=re.MULTILINE):
        if name not in kept:
            hashed = name.endswith("_HASH")
            made[name] = _hashed((kept | made)[name[:-5]].strip("'\"")) if hashed else _secret(name)
    orphan = next((name for name in made if f"{name}_HASH" in kept), None)
    if orphan:
        raise SystemExit(f"{orphan} is missing, and its hash is there; remove {orphan}_HASH and run make env again")
    return made


def _secret(name: str) -> str:
    # Hexadecimal is safe in a URL and in an S3 signature; Fernet takes nothing but padded base64.
    if name == "AIRFLOW_FERNET_KEY":
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(32)


def _hashed(secret: str) -> str:
    # In quotes, because Compose would take a dollar for a variable's. 256 random bits need no more than the lowest cost.
    return f"'{bcrypt(secret.encode(), secrets.token_bytes(16))}'"


def bcrypt(password: bytes, salt: bytes, cost: int = 4) -> str:
    """The hash that Prometheus' servers compare a password of up to 71 bytes with; Python's library has none.

    Source: Provos and Mazieres, A Future-Adaptable Password Scheme (1999).
    """
    digits = _pi(_ROUNDS + 2 + _BOXES * 256)
    keys, boxes = digits[: _ROUNDS + 2], digits[_ROUNDS + 2 :]
    key, seed = _words((password + b"\0") * 72)[: _ROUNDS + 2], _words(salt)
    _expand(keys, boxes, key, seed)
    for _ in range(1 << cost):
        _expand(keys, boxes, key, [0])
        _expand(keys, boxes, (seed * 5)[: _ROUNDS + 2], [0])
    text = _words(b"OrpheanBeholderScryDoubt")
    for _ in range(64):
        for place in range(0, len(text), 2):
            text[place : place + 2] = _enciphered(keys, boxes, *text[place : place + 2])
    code = b"".join(word.to_bytes(4, "big") for word in text)[:23]
    return f"$2b${cost:02}${_base64(salt)}{_base64(code)}"


def _pi(count: int) -> list[int]:
    """The first 32-bit words of pi behind the point, by Machin's formula."""
    one = 1 << (32 * count + 64)

    def arctangent(inverse: int) -> int:
        power = one // inverse
        total, divisor, sign = power, 1, 1
        while power:
            power //= inverse * inverse
            divisor, sign = divisor + 2, -sign
            total += sign * (power // divisor)
        return total

    behind = (16 * arctangent(5) - 4 * arctangent(239) - 3 * one) >> 64
    return _words(behind.to_bytes(4 * count, "big"))


def _expand(keys: list[int], boxes: list[int], key: list[int], seed: list[int]) -> None:
    for place, word in enumerate(key):
        keys[place] ^= word
    left = right = turn = 0
    for table in (keys, boxes):
        for place in range(0, len(table), 2):
            left ^= seed[turn % len(seed)]
            right ^= seed[(turn + 1) % len(seed)]
            left, right = table[place : place + 2] = _enciphered(keys, boxes, left, right)
            turn += 2


def _enciphered(keys: list[int], boxes: list[int], left: int, right: int) -> tuple[int, int]:
    for turn in range(_ROUNDS):
        left ^= keys[turn]
        mixed = boxes[left >> 24] + boxes[256 + (left >> 16 & 255)] ^ boxes[512 + (left >> 8 & 255)]
        left, right = right ^ (mixed + boxes[768 + (left & 255)] & 0xFFFFFFFF), left
    return right ^ keys[_ROUNDS + 1], left ^ keys[_ROUNDS]


def _words(data: bytes) -> list[int]:
    return [int.from_bytes(data[place : place + 4], "big") for place in range(0, len(data), 4)]


def _base64(data: bytes) -> str:
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits
    return base64.b64encode(data).decode().rstrip("=").translate(str.maketrans(letters + "+/", "./" + letters))


def write_private(path: Path, text: str, replace: bool) -> None:
    """Write a file atomically that only its owner reads; FileExistsError if it is there and shall not be replaced."""
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=".env.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        if replace:
            Path(scratch).replace(path)
        else:
            os.link(scratch, path)  # unlike a rename, a link never replaces
    finally:
        Path(scratch).unlink(missing_ok=True)


def main() -> None:
    """Write .env beside .env.example, or what it lacks."""
    path = (_CHECKOUT / ".env").resolve()
    if path.exists() and not path.is_file():
        raise SystemExit(f"{path} is no file; move it away and run make env again")
    example = (_CHECKOUT / ".env.example").read_text(encoding="utf-8")
    if path.is_file():
        sys.stdout.write(_completed(path, example) + "\n")
        return
    made = filled(example, {})
    text = re.sub(r"^(\w+)=$", lambda line: f"{line[1]}={made[line[1]]}", example, flags=re.MULTILINE)
    write_private(path, text, replace=False)
    sys.stdout.write(f"wrote {path} with random secrets; only you can read it\n")


def _completed(path: Path, example: str) -> str:
    """Append what a .env lacks; a sentence that tells what was done."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SystemExit(f"{path} is not in UTF-8 ({error}); save it as UTF-8 and run make env again") from error
    made = filled(example, dict(_VARIABLE.findall(text)))
    if not made:
        return PRESENT.format(path=path)
    added = "".join(f"{name}={value}\n" for name, value in made.items())
    write_private(path, f"{text.rstrip()}\n\n# Added by a later `make env`.\n{added}", replace=True)
    return f"added to {path} what it lacked, and changed nothing else: {', '.join(made)}"


if __name__ == "__main__":
    main()
