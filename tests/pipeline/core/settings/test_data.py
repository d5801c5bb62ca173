from pipeline.core.settings import train_settings
from tests.pipeline.core.settings.complaints import complaint


def test_coco_needs_its_files():
    message = complaint({"source": {"kind": "coco_json"}})
    assert message == "source: source.kind=coco_json needs source.images and source.train_annotations"


def test_norwegian_is_a_language_though_yaml_reads_its_code_as_false():
    assert train_settings({"source": {"language": False}}).source.language == "no"
    assert train_settings({"source": {"language": ""}}).source.language is None
