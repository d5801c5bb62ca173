"""`nightcap prove coco`: the real stages on a small data set with COCO's features; nothing is downloaded."""

import json
import platform

import pytest

SIZES = {"train": 20, "restval": 8, "val": 6, "test": 6}
SMALL = (
    "validation.min_images=5",
    "validation.near_duplicate_bits=",  # waves are alike
    "vocabulary.min_count=1",
    "encoder.name=scenes",  # learns from the objects, needs no weights and takes seconds
    "encoder.epochs=1",
    "encoder.batch_size=8",
    "decoder.units=16",
    "decoder.embedding=16",
    "training.epochs=1",
    "training.batch_size=8",
    "self_critical.epochs=0",
    "decoding.max_words=8",
)


def example(toy_coco, name, number, photo):
    captions = [f"wave {number} rolls", f"colours of {number} waves"]
    return toy_coco.example(name, number, photo(number), captions, [("dog", (0.2, 0.1, 0.7, 0.5))])


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory, photo):
    toy_coco = pytest.importorskip("tests.toy_coco")
    folder = tmp_path_factory.mktemp("tfds")
    numbers = iter(range(sum(SIZES.values())))
    examples = {
        split: [example(toy_coco, f"{split}_{number}.jpg", next(numbers), photo) for number in range(size)]
        for split, size in SIZES.items()
    }
    toy_coco.prepare(folder, examples)
    return folder


@pytest.fixture(scope="module")
def options(data_dir):
    """Options that make the preset small."""
    return ["--data-dir", data_dir, *(option for setting in SMALL for option in ("--set", setting))]


@pytest.mark.timeout(900)  # a whole training, twice
@pytest.mark.usefixtures("without_java")
def test_it_trains_and_says_what_that_proves(run, options, tmp_path):
    file = tmp_path / "proof.json"
    done = run("prove", "coco", "--allow-cpu", "--max-images", "25", "--output", file, *options)
    assert (done.code, done.out) == (0, f"{file}\n")
    assert "no proof for COCO: trained on a CPU; " in done.err
    assert "source.max_images is 25" in done.err
    proof = json.loads(file.read_text())
    assert proof["proves_coco"] is False
    assert "25 train images, of 113287 in the Karpathy split" in proof["because"]
    assert any(reason.startswith("encoder.name is 'scenes'") for reason in proof["because"])
    assert not any("corrections" in reason or "data_dir" in reason or "shards" in reason for reason in proof["because"])
    assert proof["images"] == {"train": 25, "val": 6, "test": 6}
    assert proof["pairs"] == {"train": 50, "val": 12, "test": 12}
    assert proof["extraction"]["extracted"] == 37
    assert proof["versions"]["python"] == platform.python_version()
    assert proof["device"]["kind"] == "CPU"
    assert proof["download_seconds"] is None
    assert proof["version"]["name"] == "coco-proof"
    assert set(proof["seconds"]) >= {
        "snapshot",
        "validate",
        "extract_features",
        "train",
        "refine",
        "evaluate",
        "bundle",
    }
    assert proof["figures"]["images"] == 6
    assert 0 <= proof["figures"]["scores"]["bleu_1"] <= 1
    assert 0 <= proof["figures"]["chair"]["chair_i"] <= 1  # from the objects that TFDS carries
    assert all(len(proof["digests"][name]) == 64 for name in ("snapshot_content", "encoder_weights", "bundle"))
    again = run("prove", "coco", "--allow-cpu", "--max-images", "25", "--output", file, *options)
    repeated = json.loads(file.read_text())
    assert again.code == 0
    assert repeated["extraction"]["extracted"] == 0
    assert {name: repeated[name] for name in ("digests", "figures", "seconds", "version")} == {
        name: proof[name] for name in ("digests", "figures", "seconds", "version")
    }


def test_without_a_gpu_it_refuses(run, options, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("TensorFlow saw this machine's GPU before the test could hide it")
    file = tmp_path / "proof.json"
    assert run("prove", "coco", "--output", file, *options).refused(2, "no GPU", "--allow-cpu", "docs/coco.md")
    assert not list(tmp_path.iterdir())


def test_without_a_network_it_refuses(run, tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    done = run("prove", "coco", "--allow-cpu", "--data-dir", tmp_path / "data", "--output", tmp_path / "proof.json")
    assert done.refused(1, "coco_captions/2014 is not prepared", "cannot be reached", "--data-dir")
    assert not list(tmp_path.iterdir())


def test_an_output_that_cannot_be_written_is_told_first(run, tmp_path):
    assert run("prove", "coco", "--output", tmp_path / "none" / "proof.json").refused(
        2, "--output", "cannot be written"
    )
