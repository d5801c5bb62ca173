"""HEIC, with and without the extra."""

import io

import pytest
from PIL import Image

from pipeline.core.errors import BadImage
from pipeline.core.reasons import DECODE_REASONS
from pipeline.imaging import decode as images
from pipeline.imaging.decode import ImageLimits
from tests.pipeline.imaging.image_bytes import close, photograph

LIMITS = ImageLimits()


@pytest.fixture
def as_heic():
    """A writer of HEIC, which Pillow has not."""
    pytest.importorskip("pi_heif", reason="needs the extra heic")
    pillow_heif = pytest.importorskip("pillow_heif")

    def write(image, **options):
        buffer = io.BytesIO()
        pillow_heif.from_pillow(image).save(buffer, quality=95, **options)
        return buffer.getvalue()

    return write


def test_heic_is_read_upright_and_over_white(as_heic):
    image = photograph()
    assert close(images.decode(as_heic(image), LIMITS), image)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = images.open_image(as_heic(image, exif=exif.tobytes()), LIMITS)
    assert (turned.width, turned.height) == image.size[::-1]
    assert close(turned.image, image.transpose(Image.Transpose.ROTATE_270))
    clear = Image.merge("RGBA", [*image.split(), Image.new("L", image.size, 0)])
    assert close(images.decode(as_heic(clear), LIMITS), Image.new("RGB", image.size, "white"))


def test_heic_is_refused_with_a_reason(as_heic, monkeypatch):
    data = as_heic(photograph())
    assert {reason(data[:size]) for size in (len(data) // 2, len(data) - 9)} == {"truncated"}
    assert reason(data, ImageLimits(max_megapixels=0.006)) == "too_many_pixels"
    monkeypatch.setattr(images, "FORMATS", tuple(name for name in images.FORMATS if name != "HEIF"))
    with pytest.raises(BadImage, match=r"HEIC without the extra `heic`.* is not supported") as caught:
        images.decode(data, LIMITS)
    assert caught.value.reason == "unsupported_format"


def reason(data, limits=LIMITS):
    with pytest.raises(BadImage) as caught:
        images.decode(data, limits)
    assert caught.value.reason in DECODE_REASONS
    return caught.value.reason
