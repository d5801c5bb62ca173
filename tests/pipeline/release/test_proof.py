"""What counts as a proof."""

import pytest

from pipeline.core.errors import SettingsError
from pipeline.core.settings import train_settings
from pipeline.release.proof import KARPATHY, check_device, proof_shortfalls

GPU, CPU = {"kind": "GPU"}, {"kind": "CPU"}
COMMIT = {"commit": "0123456789abcdef", "unchanged": True}


def settings(**source):
    source = {"corrections": "none"} | source
    return train_settings({"preset": "coco", "source": source, "registry": {"model_name": "other"}})


def test_the_preset_on_all_of_coco_on_a_gpu_is_one():
    assert proof_shortfalls(settings(data_dir="/data", terms="ours"), GPU, KARPATHY, COMMIT) == []
    assert proof_shortfalls(settings(), GPU, KARPATHY | {"train": 113_000}, git=None) == []


def test_everything_else_is_told():
    few = KARPATHY | {"val": 4_000}
    told = proof_shortfalls(settings(max_images=5_000, people_terms="neutral"), CPU, few, COMMIT)
    assert told == [
        "trained on a CPU",
        "source.max_images is 5000",
        "4000 val images, of 5000 in the Karpathy split",
        "source.people_terms is 'neutral', in the preset 'as_written'",
    ]


def test_changed_code_proves_nothing():
    told = proof_shortfalls(settings(), GPU, KARPATHY, COMMIT | {"unchanged": False})
    assert told == ["the code was changed since commit 0123456789ab"]


@pytest.mark.parametrize("table", [None, "/store/corrections"])
def test_images_that_people_corrected_are_none_of_coco_s(table):
    [told] = proof_shortfalls(settings(corrections=table), GPU, KARPATHY, COMMIT)
    assert told.startswith(f"source.corrections is {table!r}, so the data may hold some")


def test_a_cpu_is_refused_unless_asked_for():
    with pytest.raises(SettingsError, match="sees no GPU"):
        check_device(CPU, allow_cpu=False)
    check_device(CPU, allow_cpu=True)
    check_device(GPU, allow_cpu=False)
