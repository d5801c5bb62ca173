"""HEIC, the format of phones: libheif reads it if the extra `heic` is installed."""

from __future__ import annotations

from typing import Final

BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"mif1")  # bytes 8 to 12; collections and films have others


def register_heic() -> tuple[str, ...]:
    """Register the format with Pillow; returns its name there, or nothing without the extra."""
    try:
        import pi_heif
    except ImportError:
        return ()
    pi_heif.options.DECODE_THREADS = 1  # there are several decoders
    pi_heif.register_heif_opener()
    return ("HEIF",)
