"""HEIC, which phones write: read by libheif where the extra `heic` is installed, else refused."""

from __future__ import annotations

from typing import Final

BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"mif1")
"""What such a file says of itself in its bytes 8 to 12; collections and films are others."""


def register_heic() -> tuple[str, ...]:
    """Teach Pillow the format; its name there, nothing without the extra."""
    try:
        import pi_heif
    except ImportError:
        return ()
    pi_heif.options.DECODE_THREADS = 1  # decoders are many already
    pi_heif.register_heif_opener()
    return ("HEIF",)
