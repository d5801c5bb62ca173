"""Images for a browser."""

import io

import pytest
from PIL import Image

from pipeline.core.errors import BadImage, SettingsError
from serving.app.reviewed_images import ReviewedImages


@pytest.fixture
def images(world):
    with ReviewedImages(world.home) as images:
        yield images


def test_an_image_is_a_jpeg_of_the_wanted_size_or_gone(world, images, tmp_path):
    path = world.put("wide.png", big())
    assert [Image.open(io.BytesIO(images.jpeg(path, size))).size for size in ("small", "large")] == [
        (320, 16),
        (1280, 64),
    ]
    assert images.jpeg(f"{path}.gone.png", "small") is None
    with pytest.raises(BadImage):
        images.jpeg(world.put("bad.jpg", b"GIF89a"), "small")
    outside = tmp_path.parent / "outside.png"
    with pytest.raises(SettingsError, match="NIGHTCAP_ROOTS"):
        images.jpeg(str(outside), "small")


def big():
    buffer = io.BytesIO()
    Image.new("RGB", (2000, 100), "red").save(buffer, "PNG")
    return buffer.getvalue()
