"""TIFFs of every layout: read to the pixels that their tags say, or refused by name."""

import struct
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import BadImage
from pipeline.imaging import decode as images
from pipeline.imaging.decode import ImageLimits
from tests.pipeline.imaging.image_bytes import close, encoded, photograph
from tests.pipeline.imaging.tiff_bytes import (
    BLACK_IS_ZERO,
    CMYK,
    DEFLATE,
    FLOAT,
    LAB,
    LZW,
    OLD_DEFLATE,
    PACKBITS,
    PALETTE,
    RGB,
    SIGNED,
    UNSIGNED,
    WHITE_IS_ZERO,
    YCBCR,
    Tiff,
    samples_of,
    truth,
    written,
)

LIMITS = ImageLimits()
READ = [Tiff(grey, bits) for grey in (WHITE_IS_ZERO, BLACK_IS_ZERO) for bits in (1, 4, 8, 16)]
READ += [
    Tiff(RGB, bits, planar=planar, extra=e) for bits in (8, 16) for planar in (0, 1) for e in ((), (0,), (1,), (2,))
]
READ += [Tiff(kind, bits, planar=True, joined=True, rows=23) for kind in (RGB, CMYK) for bits in (8, 16)]
READ += [Tiff(RGB, 16, planar=True, joined=True, rows=23, order=">", extra=(2,))]
READ += [Tiff(CMYK, bits, planar=planar) for bits in (8, 16) for planar in (0, 1)]
READ += [Tiff(PALETTE), Tiff(PALETTE, 4), Tiff(YCBCR, subsampling=(2, 2), rows=6), Tiff(LAB)]
READ += [Tiff(BLACK_IS_ZERO, 12), Tiff(BLACK_IS_ZERO, 32), Tiff(BLACK_IS_ZERO, 16, SIGNED, order=">", compression=LZW)]
READ += [Tiff(WHITE_IS_ZERO, 32, FLOAT), Tiff(BLACK_IS_ZERO, 32, FLOAT, order=">", compression=DEFLATE)]


def matrix():
    """Every kind of sound TIFF, each once or in pairs with what it is likely to disturb."""
    greys = [(bits, UNSIGNED) for bits in (1, 2, 4, 8, 12, 16, 32)] + [(8, SIGNED), (16, SIGNED), (32, SIGNED)]
    greys += [(16, FLOAT), (32, FLOAT), (64, FLOAT)]
    samples = [Tiff(photometric=grey, bits=b, kind=k) for grey in (0, 1) for b, k in greys]
    samples += [Tiff(bits=b, kind=k, planar=p) for b, k in greys[2:] for p in (False, True)]
    samples += [Tiff(PALETTE, bits) for bits in (1, 2, 4, 8, 16)]
    samples += [Tiff(PALETTE, 8, extra=(a,)) for a in (0, 1, 2)]
    samples += [Tiff(CMYK, bits, planar=p) for bits in (8, 16) for p in (False, True)]
    samples += [
        Tiff(kind, bits, planar=p, extra=extra)
        for kind in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK)
        for bits in (8, 16)
        for p in (False, True)
        for extra in ((0,), (1,), (2,), (0, 0), (1, 0), (2, 0))
    ]
    samples += [Tiff(YCBCR, subsampling=s) for s in ((1, 1), (2, 1), (2, 2))] + [Tiff(YCBCR, planar=True)]
    samples += [Tiff(LAB), Tiff(LAB, planar=True)]
    seen = {}
    for tiff in samples:
        for change in (
            {},
            {"order": ">"},
            {"tile": (16, 32)},
            {"tile": (16, 32), "order": ">", "compression": DEFLATE},
            {"rows": 23},
            {"big": True},
            {"compression": LZW},
            {"compression": DEFLATE},
            {"compression": OLD_DEFLATE, "order": ">"},
            {"compression": PACKBITS},
            {"compression": PACKBITS, "order": ">"},
            {"fill_order": 2} if tiff.bits <= 8 else {},
            {"orientation": 6},
            {"orientation": 5, "compression": DEFLATE},
            {"orientation": 2, "order": ">"},
            {"pages": 2},
            {"compression": LZW, "predictor": 2, "order": ">"} if tiff.bits >= 8 and tiff.kind != FLOAT else {},
            {"compression": DEFLATE, "predictor": 2} if tiff.bits >= 8 and tiff.kind != FLOAT else {},
            {"compression": DEFLATE, "predictor": 3} if tiff.kind == FLOAT else {},
        ):
            if tiff.bits == 12 and change.get("predictor", 1) > 1:
                continue
            if tiff.subsampling != (1, 1) and ("tile" in change or "rows" in change or change.get("predictor")):
                continue
            every = {"rows": 6} if tiff.subsampling != (1, 1) else {}
            found = replace(tiff, **every | change)
            seen[str(found)] = found
    return list(seen.values())


def verdict(tiff):
    """The reason why it is refused, else how far the worst pixel lies from the truth."""
    samples = samples_of(tiff)
    try:
        decoded = images.decode(written(tiff, samples), LIMITS)
    except BadImage as bad:
        assert "BytesIO" not in str(bad)
        return bad.reason
    return float(np.abs(np.asarray(decoded, float) - truth(tiff, samples)).max())


def test_no_layout_is_read_to_other_pixels_and_none_counts_as_damaged():
    verdicts = {str(tiff): verdict(tiff) for tiff in matrix()}
    assert len(verdicts) > 2500
    wrong = {name: found for name, found in verdicts.items() if found != "unsupported_format"}
    assert {name: found for name, found in wrong.items() if isinstance(found, str) or found > 4} == {}


@pytest.mark.parametrize("tiff", READ, ids=str)
def test_usual_layouts_are_read(tiff):
    big = {} if tiff.order == ">" else {"big": True}
    for change in ({}, big, {"orientation": 6}):
        assert verdict(replace(tiff, **change)) <= 4


def test_the_message_names_a_layout_that_is_not_read():
    tiff = Tiff(CMYK, extra=(2,), planar=True, compression=LZW)
    with pytest.raises(
        BadImage, match=r"a TIFF with 5 x 8 bits \(planar, unsigned, CMYK, 1 extra, .*tiff_lzw\) is not"
    ):
        images.decode(written(tiff), LIMITS)


def test_damage_is_not_taken_for_a_layout():
    sound = written(Tiff(RGB, 32, FLOAT))
    assert reason(sound[:-200]) == "corrupt"  # the tags stand at the end
    header_first = encoded(Image.fromarray(np.zeros((90, 80), np.float32)), "TIFF")
    assert reason(header_first[:9000]) == "truncated"
    spoiled = written(Tiff(compression=LZW))
    assert reason(spoiled[:8] + bytes(200) + spoiled[208:]) == "corrupt"
    assert reason(sound.replace(struct.pack("<3H", 32, 32, 32), struct.pack("<3H", 99, 99, 99))) == "corrupt"
    assert Counter(map(reason, (b"II*\0" + bytes(90), b"MM\0+" + bytes(90)))) == {"corrupt": 2}


def reason(data):
    with pytest.raises(BadImage) as caught:
        images.decode(data, LIMITS)
    return caught.value.reason


@pytest.mark.parametrize("mode", ["RGB", "L", "YCbCr"])
def test_jpeg_within_a_tiff(mode):
    stored = photograph().convert(mode)
    assert close(
        images.decode(encoded(stored, "TIFF", compression="jpeg", quality=95), LIMITS), stored.convert("RGB"), 4
    )
