"""Sound TIFFs written by hand from the specification (TIFF 6.0, and BigTIFF), and the pixels that they stand for."""

import struct
import zlib
from dataclasses import dataclass

import numpy as np

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, LAB: 3}
NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS = 1, 5, 8, 32946, 32773
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
UNSPECIFIED, ASSOCIATED, UNASSOCIATED = 0, 1, 2
_KINDS = {UNSIGNED: "u", SIGNED: "i", FLOAT: "f"}
_SIZES = {3: "H", 4: "I", 16: "Q"}


@dataclass(frozen=True)
class Tiff:
    """One way to store an image; the defaults are a plain one."""

    photometric: int = RGB
    bits: int = 8
    kind: int = UNSIGNED
    planar: bool = False
    joined: bool = False  # planes one behind the other, and one offset for all, as tifffile writes them
    tile: tuple[int, int] | None = None  # height and width; else strips
    rows: int = 7  # of a strip
    order: str = "<"
    big: bool = False
    compression: int = NONE
    predictor: int = 1
    extra: tuple[int, ...] = ()
    orientation: int = 1
    subsampling: tuple[int, int] = (1, 1)
    fill_order: int = 1
    pages: int = 1

    def __str__(self):
        plain = Tiff()
        odd = {name: value for name, value in vars(self).items() if value != getattr(plain, name)}
        return ",".join(f"{name}={value}" for name, value in odd.items()) or "plain"

    @property
    def levels(self):
        """The smallest and the largest value of a sample."""
        if self.kind == FLOAT:
            return 0.0, 1.0
        return (-(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1) if self.kind == SIGNED else (0, 2**self.bits - 1)


def samples_of(tiff, height=23, width=35, seed=0):
    """Samples as float64 [height, width, samples], over the whole range, smooth with an edge in each direction."""
    y, x = np.mgrid[0:height, 0:width]
    count = COLOURS[tiff.photometric] + len(tiff.extra)
    planes = [(x * (k + 1) / width + y * (k % 2 + 1) / height + seed / 7) % 1 for k in range(count)]
    low, high = tiff.levels
    values = np.stack(planes, axis=-1)
    if tiff.photometric == LAB:  # colours that sRGB has
        lightness, a, b = np.moveaxis(values, -1, 0)
        return np.round(np.stack([60 + 150 * lightness, (20 * a - 10) % 256, (30 * b - 15) % 256], axis=-1))
    colours = COLOURS[tiff.photometric]
    if tiff.extra[:1] == (ASSOCIATED,):
        values[..., :colours] *= values[..., colours : colours + 1]
    values[0, 0], values[-1, -1] = 0, 1
    stored = low + values * (high - low)
    return stored if tiff.kind == FLOAT else np.round(stored)


def palette_of(tiff):
    """Colours as uint16 [levels, 3]."""
    return np.random.default_rng(3).integers(0, 256, (2**tiff.bits, 3)).astype(np.uint16) * 257


def truth(tiff, samples):
    """What the samples stand for: float64 [height, width, 3], 0..255, upright, over white."""
    low, high = tiff.levels
    count = COLOURS[tiff.photometric]
    scaled = (samples - low) / (high - low) * 255
    colour = scaled[..., :count]
    if tiff.photometric == PALETTE:
        pixels = palette_of(tiff)[samples[..., 0].astype(int)] / 257
    elif tiff.photometric == CMYK:
        pixels = (255 - colour[..., :3]) * (255 - colour[..., 3:]) / 255
    elif tiff.photometric == LAB:
        pixels = _from_lab(samples)
    elif tiff.photometric == YCBCR:
        pixels = _from_ycbcr(colour, tiff.subsampling)
    else:
        pixels = np.broadcast_to(255 - colour if tiff.photometric == WHITE_IS_ZERO else colour, (*colour.shape[:2], 3))
    if tiff.extra[:1] in ((ASSOCIATED,), (UNASSOCIATED,)):
        alpha = scaled[..., count : count + 1] / 255
        pixels = (pixels if tiff.extra[0] == ASSOCIATED else pixels * alpha) + 255 * (1 - alpha)
    return _upright(pixels, tiff.orientation)


def _from_ycbcr(values, subsampling):
    y, cb, cr = np.moveaxis(values, -1, 0)
    cb, cr = (_spread(plane, subsampling) - 128 for plane in (cb, cr))
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    return rgb.clip(0, 255)


def _from_lab(values):
    """CIELab of a byte each, a and b signed, under D50."""
    lightness, a, b = np.moveaxis(values.astype(np.uint8), -1, 0)
    y = (lightness / 255 * 100 + 16) / 116
    roots = np.stack([y + a.astype(np.int8) / 500, y, y - b.astype(np.int8) / 200], axis=-1)
    xyz = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29)) * (0.9642, 1, 0.8249)
    to_linear = [(3.1338561, -1.6168667, -0.4906146), (-0.9787684, 1.9161415, 0.033454)]
    linear = (xyz @ np.array([*to_linear, (0.0719453, -0.2289914, 1.4052427)]).T).clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _spread(plane, subsampling):
    """One value for each block of the plane, which is its first."""
    across, down = subsampling
    return plane[::down, ::across].repeat(down, 0).repeat(across, 1)[: plane.shape[0], : plane.shape[1]]


def _upright(pixels, orientation):
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return pixels[rows, columns]


def written(tiff, samples=None):
    """The file's bytes."""
    bytes_, offsets = bytearray(), []
    samples = samples_of(tiff) if samples is None else samples
    header = 16 if tiff.big else 8
    for page in range(tiff.pages):
        body, pointers = _page(tiff, samples if not page else samples_of(tiff, seed=page), header + len(bytes_))
        offsets.append((header + len(bytes_) + len(body), pointers))
        bytes_ += body
        bytes_ += _directory(tiff, pointers, samples.shape, header + len(bytes_), page + 1 < tiff.pages)
    mark = b"II" if tiff.order == "<" else b"MM"
    if tiff.big:
        start = mark + struct.pack(tiff.order + "HHHQ", 43, 8, 0, offsets[0][0])
    else:
        start = mark + struct.pack(tiff.order + "HI", 42, offsets[0][0])
    return start + bytes(bytes_)


def _page(tiff, samples, start):
    """Encoded strips or tiles one after the other, and where each lies and how long it is."""
    body, offsets, counts = bytearray(), [], []
    planes = [samples[..., k : k + 1] for k in range(samples.shape[-1])] if tiff.planar else [samples]
    for plane in planes:
        for block in _blocks(tiff, plane):
            encoded = _compressed(tiff, block)
            offsets.append(start + len(body))
            counts.append(len(encoded))
            body += encoded + (b"" if tiff.joined else bytes(len(encoded) % 2))
    return body, (offsets, counts)


def _blocks(tiff, plane):
    height, width = plane.shape[:2]
    if not tiff.tile:
        yield from (plane[top : top + tiff.rows] for top in range(0, height, tiff.rows))
        return
    down, across = tiff.tile
    for top in range(0, height, down):
        for left in range(0, width, across):
            part = plane[top : top + down, left : left + across]
            yield np.pad(part, ((0, down - part.shape[0]), (0, across - part.shape[1]), (0, 0)))


def _compressed(tiff, block):
    data = b"".join(_rows(tiff, block))
    if tiff.fill_order == 2:
        data = bytes(int(f"{value:08b}"[::-1], 2) for value in data)
    if tiff.compression in (DEFLATE, OLD_DEFLATE):
        return zlib.compress(data)
    if tiff.compression == LZW:
        return _lzw(data)
    if tiff.compression == PACKBITS:
        width = len(data) // len(block)  # rows are packed each for itself
        rows = (data[at : at + width] for at in range(0, len(data), width))
        return b"".join(bytes([len(piece) - 1]) + piece for row in rows for piece in _pieces(row, 128))
    return data


def _rows(tiff, block):
    if tiff.photometric == YCBCR and tiff.subsampling != (1, 1):
        yield _subsampled(block, tiff.subsampling)
        return
    for row in block:
        values = row.ravel()
        if tiff.bits < 8 or tiff.bits == 12:
            text = "".join(f"{int(value):0{tiff.bits}b}" for value in values)
            yield int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")
            continue
        typed = row.astype(f"{_KINDS[tiff.kind]}{tiff.bits // 8}")
        if tiff.predictor == 2:
            typed = np.diff(typed, axis=0, prepend=np.zeros_like(typed[:1]))
        if tiff.predictor == 3:  # bytes of equal weight side by side, then differences
            parts = typed.astype(typed.dtype.newbyteorder(">")).ravel().view(np.uint8).reshape(-1, tiff.bits // 8).T
            flat, step = parts.ravel(), row.shape[1]
            yield np.concatenate([flat[:step], flat[step:] - flat[:-step]]).tobytes()
            continue
        yield typed.astype(typed.dtype.newbyteorder(tiff.order)).tobytes()


def _subsampled(block, subsampling):
    across, down = subsampling
    height, width = (-(-side // step) * step for side, step in zip(block.shape[:2], (down, across), strict=True))
    block = np.pad(block, ((0, height - block.shape[0]), (0, width - block.shape[1]), (0, 0)), "edge").astype(np.uint8)
    units = bytearray()
    for top in range(0, height, down):
        for left in range(0, width, across):
            unit = block[top : top + down, left : left + across]
            units += unit[..., 0].tobytes() + bytes(unit[0, 0, 1:])
    return bytes(units)


def _pieces(data, length):
    return (data[at : at + length] for at in range(0, len(data), length))


def _lzw(data):
    """Only literal codes, with a clear code before they need ten bits."""
    codes = [code for piece in _pieces(data, 250) for code in (256, *piece)] + [257]
    text = "".join(f"{code:09b}" for code in codes)
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


def _directory(tiff, pointers, shape, start, has_next):
    height, width, samples = shape
    offsets, counts = pointers
    if tiff.joined:
        offsets, counts = offsets[:1], [sum(counts)]
    place = 16 if tiff.big else 4
    tags = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [tiff.bits] * samples),
        259: (3, [tiff.compression]),
        262: (3, [tiff.photometric]),
        266: (3, [tiff.fill_order]),
        274: (3, [tiff.orientation]),
        277: (3, [samples]),
        284: (3, [2 if tiff.planar else 1]),
        317: (3, [tiff.predictor]),
        339: (3, [tiff.kind] * samples),
    }
    if tiff.tile:
        down, across = tiff.tile
        tags |= {322: (4, [across]), 323: (4, [down]), 324: (place, offsets), 325: (4, counts)}
    else:
        tags |= {273: (place, offsets), 278: (4, [tiff.rows]), 279: (4, counts)}
    if tiff.extra:
        tags[338] = (3, list(tiff.extra))
    if tiff.photometric == PALETTE:
        tags[320] = (3, [int(value) for value in palette_of(tiff).T.ravel()])
    if tiff.photometric == YCBCR:
        tags[530] = (3, list(tiff.subsampling))
    return _packed(tiff, tags, start, has_next)


def _packed(tiff, tags, start, has_next):
    count, pointer, room = ("Q", "Q", 8) if tiff.big else ("H", "I", 4)
    entry = 4 + 2 * room
    after = start + struct.calcsize("<" + count) + entry * len(tags) + room
    entries, values = bytearray(), bytearray()
    for tag, (kind, numbers) in sorted(tags.items()):
        data = struct.pack(f"{tiff.order}{len(numbers)}{_SIZES[kind]}", *numbers)
        if len(data) > room:
            inline = struct.pack(tiff.order + pointer, after + len(values))
            values += data + bytes(len(data) % 2)
        else:
            inline = data.ljust(room, b"\0")
        entries += struct.pack(f"{tiff.order}HH{pointer}", tag, kind, len(numbers)) + inline
    following = _next(tiff, tags, after + len(values)) if has_next else 0
    head = struct.pack(tiff.order + count, len(tags))
    return head + bytes(entries) + struct.pack(tiff.order + pointer, following) + bytes(values)


def _next(tiff, tags, end):
    """Where the next page's directory will lie: behind that page's strips, which are as long as this page's."""
    counts = tags[325 if tiff.tile else 279][1]
    return end + sum(count + count % 2 for count in counts)
