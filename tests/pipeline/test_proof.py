"""What counts as a proof."""

import pytest

from pipeline.errors import SettingsError
from pipeline.proof import KARPATHY, check_device, shortfalls
from pipeline.settings import train_settings

GPU, CPU = {"kind": "GPU"}, {"kind": "CPU"}


def settings(**source):
    return train_settings({"preset": "coco", "source": source, "registry": {"model_name": "other"}})


def test_the_preset_on_all_of_coco_on_a_gpu_is_one():
    assert shortfalls(settings(data_dir="/data", terms="ours"), GPU, KARPATHY) == []
    assert shortfalls(settings(), GPU, KARPATHY | {"train": 113_000}) == []


def test_everything_else_is_told():
    few = KARPATHY | {"val": 4_000}
    told = shortfalls(settings(max_images=5_000, people_terms="neutral"), CPU, few)
    assert told == [
        "trained on a CPU",
        "source.max_images is 5000",
        "4000 val images, of 5000 in the Karpathy split",
        "source.people_terms is 'neutral', in the preset 'as_written'",
    ]


def test_a_cpu_is_refused_unless_asked_for():
    with pytest.raises(SettingsError, match="sees no GPU"):
        check_device(CPU, allow_cpu=False)
    check_device(CPU, allow_cpu=True)
    check_device(GPU, allow_cpu=False)
