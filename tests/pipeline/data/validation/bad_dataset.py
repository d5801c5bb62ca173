"""A dataset with one bad row for every row rule, validated once."""

import pandas as pd

from pipeline.core import reasons
from pipeline.core.settings import ValidationSettings
from pipeline.data.snapshot import take_snapshot
from pipeline.data.validation import validate

HOSTILE = "<img src=x onerror=alert(1)>.png"
LENIENT = ValidationSettings(min_images=3, max_quarantine_share=1, max_caption_repeats=4)

BAD_CAPTIONS = {
    "a \u202edesrever\u202c image": reasons.BAD_CHARACTERS,
    "a bell \x07 rings": reasons.BAD_CHARACTERS,
    "a \ue000 glyph of ours": reasons.BAD_CHARACTERS,
    "mis\ufffdread words here": reasons.BAD_CHARACTERS,
    "a <b>bold</b> dog": reasons.MARKUP,
    "salt &amp; pepper here": reasons.MARKUP,
    "": reasons.EMPTY_CAPTION,
    " \n\t": reasons.EMPTY_CAPTION,
    "... !!": reasons.EMPTY_CAPTION,
    "dog": reasons.CAPTION_TOO_SHORT,
    "=2+5 dogs": reasons.FORMULA,
    "look at www.example.org today": reasons.LINK,
    "ask bob@example.org about it": reasons.PERSONAL_DATA,
    "word " * 61: reasons.CAPTION_TOO_LONG,
    "two " + "x" * 2000: reasons.CAPTION_TOO_LONG,
    "repeated far too often": reasons.REPEATED_CAPTION,
}
GOOD_CAPTIONS = [
    "A dog, 3 cats & a <3.",
    "一只狗在草地上跑",
    "สุนัขวิ่งเล่นบนสนามหญ้า",
    "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627 \u0631\u0648\u06cc \u0645\u06cc\u0632",  # Persian writes with zero-width non-joiners
    "Собака бежит.",
    "two\nlines",
    "👨‍👩‍👧 on a bench",
]


class Validated:
    """The dataset, its quarantine and the output of the stage."""

    def __init__(self, dataset, image, store):
        self.store = store
        dataset.fill(60)
        for number, caption in enumerate(BAD_CAPTIONS):
            dataset.add(f"caption-{number}.png", [f"good caption {number}", caption], data=image(700 + number))
        for number in range(4):
            dataset.add(
                f"repeat-{number}.png", [f"number {number}", "repeated far  too often"], data=image(800 + number)
            )
        dataset.add("scripts.png", GOOD_CAPTIONS, data=image(820))
        dataset.add("said-twice.png", ["said twice here", "said once", "said  twice here"], data=image(821))
        dataset.add(HOSTILE, ["a hostile name"])
        dataset.add("changed.png", ["soon another"], data=image(822))
        dataset.add("page.jpg", ["a web page"], data=b"<html><body>no image</body></html>")
        dataset.add("cut.png", ["half an image"], data=image(823)[:-30])
        dataset.add("tiny.png", ["a tiny image"], data=image(824, side=31))
        dataset.add("vast.png", ["a vast image"], data=image(825, side=1100))
        dataset.add("heavy.bmp", ["a heavy image"], data=image(826, side=300, format="BMP"))
        dataset.add("silent.png", [], data=image(827))
        dataset.add("unheard.png", ["..."], data=image(828))
        dataset.add("twin.png", ["the first twin"], data=image(829))
        dataset.add("twin-2.png", ["the second twin"], data=image(829))
        dataset.add("train-and-val.png", ["seen in train"], data=image(830))
        dataset.add("train-and-test.png", ["seen in train again"], data=image(831))
        for number in range(5):
            dataset.add(f"val-{number}.png", [f"val image {number}"], "val", image(840 + number))
            dataset.add(f"test-{number}.png", [f"test image {number}"], "test", image(850 + number))
        dataset.add("val.png", ["seen in val"], "val", image(830))
        dataset.add("val-and-test.png", ["seen in val again"], "val", image(831))
        dataset.add("test.png", ["seen in test"], "test", image(831))
        self.source = dataset.source()
        self.snapshot = take_snapshot(dataset.settings(), self.source, store)
        (dataset.images / "changed.png").write_bytes(image(999))
        settings = LENIENT.model_copy(update={"max_megapixels": 1.0, "max_image_bytes": 200_000})
        self.output = validate(settings, self.snapshot, self.source, store)
        self.quarantine = pd.read_parquet(self.output.path / "quarantine.parquet")

    def reason_of(self, image):
        rows = self.quarantine[(self.quarantine["kind"] == "image") & (self.quarantine["image"] == image)]
        return rows["reason"].item() if len(rows) else None
