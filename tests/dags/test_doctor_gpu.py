"""The check of a GPU is started by hand and waits for the pool of GPUs."""


def test_it_runs_on_the_gpu_when_asked(dags):
    assert dags["doctor_gpu"]["expression"] is None
    assert dags["doctor_gpu"]["params"] == {}
    assert dags["doctor_gpu"]["tasks"]["examine"]["pool"] == "gpu"
