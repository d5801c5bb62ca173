"""Files of references and of captions."""

import json


def annotate(path, references):
    images = [{"id": place, "file_name": name} for place, name in enumerate(references)]
    captions = [
        {"image_id": place, "caption": text} for place, texts in enumerate(references.values()) for text in texts
    ]
    path.write_text(json.dumps({"images": images, "annotations": captions}))
    return path


def lines(path, *rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def captions_of(**captions):
    return [{"image": f"{name}.jpg", "caption": text} for name, text in captions.items()]
