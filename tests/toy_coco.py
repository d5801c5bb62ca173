"""A small prepared dataset with the features and splits of TFDS' coco_captions, which itself only downloads."""

import io

import numpy as np
import tensorflow_datasets as tfds

LABELS = ("cat", "dog")


def example(name, number, image, captions, objects=()):
    """What TFDS stores of an image; objects are (label, (top, left, bottom, right)) in shares of its sides."""
    return {
        "captions": [{"id": place, "text": text} for place, text in enumerate(captions)],
        "image": io.BytesIO(image),
        "image/filename": name,
        "image/id": number,
        "objects": [
            {"area": 100, "bbox": tfds.features.BBox(*box), "id": number, "is_crowd": False, "label": label}
            for label, box in objects
        ],
    }


def prepare(folder, examples, shards=1):
    """Write `coco_captions/2014`; `examples` yields the examples of a split, by its name."""
    features = {
        "captions": tfds.features.Sequence({"id": np.int64, "text": tfds.features.Text()}),
        "image": tfds.features.Image(encoding_format="jpeg"),
        "image/filename": tfds.features.Text(),
        "image/id": np.int64,
        "objects": tfds.features.Sequence(
            {
                "area": np.int64,
                "bbox": tfds.features.BBoxFeature(),
                "id": np.int64,
                "is_crowd": np.bool_,
                "label": tfds.features.ClassLabel(names=LABELS),
            }
        ),
    }

    # Unregistered, because TFDS has a coco_captions of its own, which downloads.
    class CocoCaptions(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.1.0")
        BUILDER_CONFIGS = (tfds.core.BuilderConfig(name="2014"),)

        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(split) for split in examples}

        def _generate_examples(self, split):
            for found in examples[split]:
                yield found["image/filename"], found

    builder = CocoCaptions(data_dir=folder, config="2014")
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=shards))
