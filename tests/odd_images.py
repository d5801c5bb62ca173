"""Images of every kind that cameras and programs make, for what must treat them all alike."""

import io

import numpy as np
from PIL import Image


def _encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def odd_images():
    """Encoded images by name: turned, wide, tall, grey, with a palette, transparent, of 16 bits, large."""
    rows, columns = np.mgrid[:90, :150]
    waves = np.stack([rows * 2, columns, (rows + columns) * 3 % 256], axis=-1).astype(np.uint8)
    scene = Image.fromarray(waves)
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    clear = scene.convert("RGBA")
    clear.putalpha(Image.fromarray(waves[..., 1]))
    return {
        "turned.jpg": _encoded(scene, "JPEG", quality=90, exif=exif),
        "cmyk.jpg": _encoded(scene.convert("CMYK"), "JPEG", quality=90),
        "large.jpg": _encoded(scene.resize((1500, 900)), "JPEG", quality=80),
        "tall.png": _encoded(scene.resize((40, 200)), "PNG"),
        "grey.png": _encoded(scene.convert("L"), "PNG"),
        "palette.png": _encoded(scene.convert("P"), "PNG"),
        "clear.png": _encoded(clear, "PNG"),
        "deep.png": _encoded(Image.fromarray((rows * 700 % 65536).astype(np.uint16)), "PNG"),
        "frames.gif": _encoded(scene, "GIF", save_all=True, append_images=[scene.transpose(1)]),
        "lossy.webp": _encoded(scene, "WEBP", quality=80),
    }
