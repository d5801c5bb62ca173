import re
from base64 import b64decode

import pytest

from pipeline.evaluation.samples_page import write_samples
from pipeline.model.interface import Caption


def test_the_page_shows_images_beside_what_model_and_people_wrote(folder, lines, references):
    page = (folder / "samples" / "index.html").read_text(encoding="utf-8")
    images = re.findall(r'<img src="([^"]+)"', page)
    assert len(images) == len(lines)
    assert all(b64decode(image.removeprefix("data:image/jpeg;base64,")).startswith(b"\xff\xd8") for image in images)
    for line in lines:
        assert line["caption"] in page
        assert references[line["image"]][0] in page


@pytest.mark.usefixtures("no_decoding_here")
def test_of_many_images_some_are_shown_from_the_best_to_the_worst(tiny_run, tmp_path):
    images = list(tiny_run.accepted.images_of("train")["image"])
    assert len(images) > 24
    captions = {image: Caption(f"caption of {image}", -1.0) for image in images}
    per_image = {image: {"bleu_4": 0.0, "rouge_l": 0.0, "cider_d": float(place)} for place, image in enumerate(images)}
    write_samples(tmp_path, tiny_run, captions, tiny_run.accepted.references("train"), per_image)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    shown = re.findall(r"<h2>caption of ([^<]+)</h2>", page)
    assert len(shown) == len(set(shown)) == len(set(re.findall(r'src="(data:[^"]+)"', page))) == 24
    assert (shown[0], shown[-1]) == (images[-1], images[0])
    assert shown == sorted(shown, key=images.index, reverse=True)


def test_what_captions_hold_is_shown_as_text(tiny_run, references, tmp_path):
    image = next(iter(references))
    nasty = '<script>alert("1")</script>'
    captions = {image: Caption(nasty, -1.0)}
    per_image = {image: {"bleu_4": 0.0, "rouge_l": 0.0, "cider_d": 0.0}}
    write_samples(tmp_path, tiny_run, captions, {image: [nasty, "'><img src=x onerror=1>"]}, per_image)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("<img") == 1
    assert page.count("&lt;script&gt;") == 3
