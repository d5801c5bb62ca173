"""What shows that a device trains as the CPU does, and what does not."""

import pytest

from pipeline.training.device_check.compare import Distance, Trial, device_shortfalls, distance, learns

ON_GPU = Trial("gpu_float32", gpu=True, precision="float32", tolerance=0.01)
CPU = {"losses": [6.0, 4.0, 2.0], "weights_on": ["CPU"], "cudnn": {}, "loops": 2}
GPU = CPU | {"weights_on": ["GPU"], "cudnn": {"CudnnRNNBackpropV3": 1, "CudnnRNNV3": 1}, "loops": 0}


def test_the_same_losses_on_a_gpu_are_right():
    assert device_shortfalls(ON_GPU, CPU, GPU) == []
    assert device_shortfalls(ON_GPU, CPU, GPU | {"losses": [6.05, 3.97, 2.01]}) == []


def test_one_step_that_is_off_is_reported_with_its_figures():
    (reason,) = device_shortfalls(ON_GPU, CPU, GPU | {"losses": [6.05, 4.4, 2.0]})
    assert reason == "gpu_float32: the loss of step 1 is 4.4, on the CPU 4.0: off by 0.1, above 0.01"


def test_a_loss_that_is_no_number_is_off():
    (reason,) = device_shortfalls(ON_GPU, CPU, GPU | {"losses": [6.0, 4.0, None]})
    assert "the loss of step 2 is None" in reason


def test_a_trial_that_did_not_use_the_gpu_says_nothing_of_it():
    reasons = device_shortfalls(ON_GPU, CPU, CPU)
    assert [reason for reason in reasons if "lay on CPU" in reason]
    assert [reason for reason in reasons if "0 of its operations and 2 loops" in reason]
    assert len(reasons) == 2


@pytest.mark.parametrize("result", [{"cudnn": {}, "loops": 2}, {"loops": 1}], ids=["none", "half"])
def test_a_gru_outside_cudnn_is_reported(result):
    (reason,) = device_shortfalls(ON_GPU, CPU, GPU | result)
    assert "does not run in cuDNN" in reason


def test_a_trial_that_did_not_end_is_reported():
    assert device_shortfalls(ON_GPU, CPU, {"error": "ended with -6: no kernel"}) == [
        "gpu_float32 ended with -6: no kernel"
    ]


@pytest.mark.parametrize("losses", [[6.0, 5.9, 5.8], [6.0, 4.0, None]])
def test_steps_that_learn_nothing_compare_nothing(losses):
    assert learns(CPU) == []
    assert learns(CPU | {"losses": losses}) == [
        f"the CPU learns nothing either: its loss went from 6.0 to {losses[-1]}"
    ]
    assert learns({"error": "ended with 1: no memory"}) == ["the CPU ended with 1: no memory"]


def test_the_farthest_step_is_found_by_its_share():
    assert distance([10.0, 1.0], [10.2, 1.1]) == Distance(pytest.approx(0.1), 1)
    with pytest.raises(ValueError, match="shorter"):
        distance([1.0, 1.0], [1.0])
