"""An image in a file that a person or a table names."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from pipeline.core.errors import BadImage
from pipeline.core.reasons import FORBIDDEN, MISSING, UNSAFE_NAME
from pipeline.imaging.decode import ImageLimits, check_bytes
from pipeline.storage.objects.beneath import OutsideRoot, open_beneath, open_plain, open_size


def read_image_file(path: Path, limits: ImageLimits, roots: Iterable[str] = ()) -> bytes:
    """The bytes of a plain file, judged by its size before they are read; with roots only of one beneath a root.

    Raises BadImage: `missing`, `forbidden`, `unsafe_name` outside the roots, `empty` or `too_large_file`.
    """
    roots = tuple(roots)
    try:
        with _opened_beneath(path, roots) if roots else open_plain(path) as file:
            check_bytes(open_size(file), limits)
            return file.read(limits.max_bytes + 1)
    except OutsideRoot as error:
        raise BadImage(UNSAFE_NAME, f"{path} lies in none of {', '.join(roots)}") from error
    except PermissionError as error:
        raise BadImage(FORBIDDEN, f"{path} may not be read by this user; check its permissions") from error
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        raise BadImage(MISSING, f"{path} cannot be read: {error}") from error


def _opened_beneath(path: Path, roots: Iterable[str]) -> AbstractContextManager[IO[bytes]]:
    real = Path(os.path.realpath(path))
    for root in map(os.path.realpath, roots):
        if real.is_relative_to(root):
            return open_beneath(Path(root), str(real.relative_to(root)))
    raise OutsideRoot(errno.EXDEV, "it lies in no root", str(path))
