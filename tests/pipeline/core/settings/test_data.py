from tests.pipeline.core.settings.complaints import complaint


def test_coco_needs_its_files():
    message = complaint({"source": {"kind": "coco_json"}})
    assert message == "source: source.kind=coco_json needs source.images and source.train_annotations"
