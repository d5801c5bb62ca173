import shutil

import numpy as np
import psutil
import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import DatasetRejected, ObjectUnavailable, SourceChanged
from pipeline.core.settings import EncoderSettings, TrainSettings
from pipeline.data.snapshot import SCHEMAS
from pipeline.imaging.decode import ImageLimits, pixels
from pipeline.storage.files import sha256, sha256_file, write_json
from pipeline.training import features as module
from pipeline.training.features import FeatureStore, check_features, extract_shard
from pipeline.training.run import TrainingRun
from pipeline.training_pipeline import run_stage

WEIGHTS = "encoder.weights.h5"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weights file of the small network, untrained."""
    import keras

    from pipeline.model.network.encoder import build_encoder

    keras.utils.set_random_seed(1)
    path = tmp_path_factory.mktemp("weights") / WEIGHTS
    build_encoder("scenes", None).backbone.save_weights(path)
    return path


@pytest.fixture
def dataset(new_dataset):
    dataset = new_dataset()
    dataset.fill(8)
    dataset.fill(3, "val", 100)
    dataset.fill(3, "test", 200)
    return dataset


def accept(run, **recipe):
    """The run with every image of its snapshot accepted."""

    def build(folder):
        for name in SCHEMAS:
            shutil.copy(run.output("snapshot").path / f"{name}.parquet", folder)

    return run.after(run.store.run("validate", 1, recipe, run.inputs("snapshot"), build))


@pytest.fixture
def run_on(dataset, tmp_path, weights):
    """A run with an encoder and every image of the dataset accepted, as it is now."""

    def give_encoder(folder):
        shutil.copy(weights, folder)
        write_json(folder / "encoder.json", {"name": "scenes", "weights": WEIGHTS, "digest": sha256_file(weights)})

    def start(**encoder):
        chosen = EncoderSettings(name="scenes", batch_size=4, **{"shards": 3, **encoder})
        settings = TrainSettings(source=dataset.settings(), encoder=chosen)
        run = accept(run_stage("snapshot", TrainingRun(settings, Home(tmp_path, tmp_path / "store", ""))))
        return run.after(run.store.run("encoder", 1, {}, {}, give_encoder))

    return start


def extracted(run):
    """What each shard says."""
    return [extract_shard(run, shard) for shard in range(run.settings.encoder.shards)]


def sums(counts):
    return {key: sum(count[key] for count in counts) for key in ("images", "extracted")}


def test_each_image_is_extracted_once_by_its_content(run_on, dataset, image):
    run = run_on()
    counts = extracted(run)
    assert sums(counts) == {"images": 14, "extracted": 14}
    assert sums(extracted(run)) == {"images": 14, "extracted": 0}
    assert check_features(run).figures() == {"images": 14, "positions": 49, "channels": 128}
    dataset.fill(2, first=50)
    dataset.add("again.png", data=image(3))
    (dataset.images / "train-0001.png").rename(dataset.images / "renamed.png")
    dataset.entries["train"] = [
        (name.replace("train-0001", "renamed"), captions) for name, captions in dataset.entries["train"]
    ]
    later = run_on()
    with pytest.raises(
        DatasetRejected, match=r"2 images have no features of view 0, first 'train-0050.png'; run extract_features"
    ):
        check_features(later)
    assert sums(extracted(later))["extracted"] == 2
    other_shards = run_on(shards=2)
    assert sums(extracted(other_shards))["extracted"] == 0


def test_features_are_what_the_frozen_network_gives_for_the_image(run_on, dataset, weights, request):
    from pipeline.model.network.encoder import architecture, scenes_backbone

    run = run_on()
    store = FeatureStore.of(run)
    backbone = scenes_backbone(architecture("scenes"))
    backbone.load_weights(weights)
    names = ["train-0000.png", "val-0101.png", "test-0202.png"]
    data = [(dataset.images / name).read_bytes() for name in names]
    batch = np.stack([pixels(item, 112, "squash", ImageLimits()) for item in data])
    expected = np.asarray(backbone(batch.astype("float32") / 127.5 - 1))
    request.getfixturevalue("no_decoding_here")
    extracted(run)
    actual = store.gather([sha256(item) for item in data])
    assert actual.dtype == np.float16
    assert actual.shape == (3, 49, 128)
    np.testing.assert_allclose(actual, expected.reshape(3, 49, 128), rtol=2e-3, atol=1e-3)
    assert np.abs(expected[0] - expected[1]).max() > 0.01


def test_another_way_of_fitting_has_features_of_its_own(run_on):
    extracted(run_on())
    assert sums(extracted(run_on(fit="crop")))["extracted"] == 14
    assert sums(extracted(run_on()))["extracted"] == 0


def test_21_4_images_that_decode_otherwise_than_before_have_features_of_their_own(run_on):
    extracted(run_on())
    assert sums(extracted(accept(run_on(), decoding=2)))["extracted"] == 14
    assert sums(extracted(run_on()))["extracted"] == 0


def test_larger_images_have_more_cells_and_features_of_their_own(dataset, tmp_path):
    from pipeline.model.network.encoder import build_encoder

    weights = tmp_path / "mobilenet.weights.h5"
    build_encoder("mobilenet", None).backbone.save_weights(weights)

    def figures(side):
        encoder = EncoderSettings(name="mobilenet", weights=str(weights), side=side, shards=1, batch_size=4)
        home = Home(tmp_path, tmp_path / "store", "")
        run = accept(
            run_stage("snapshot", TrainingRun(TrainSettings(source=dataset.settings(), encoder=encoder), home))
        )
        run = run_stage("provide_encoder", run)
        return extract_shard(run, 0)["extracted"], check_features(run).figures()["positions"]

    assert figures(None) == (14, 49)
    assert figures(160) == (14, 25)
    assert figures(None) == (0, 49)


def test_a_crash_costs_one_part(run_on, dataset, monkeypatch):
    monkeypatch.setattr(module, "PART_IMAGES", 4)
    run = run_on(shards=1)
    last = dataset.images / run.accepted.images["image"].iloc[-1]
    data = last.read_bytes()
    last.unlink()
    with pytest.raises(SourceChanged, match="now cannot be read"):
        extract_shard(run, 0)
    last.write_bytes(data)
    assert extract_shard(run, 0) == {"images": 14, "extracted": 2}
    assert check_features(run).figures()["images"] == 14


def test_a_part_without_its_list_does_not_exist(run_on, monkeypatch):
    monkeypatch.setattr(module, "PART_IMAGES", 4)
    run = run_on(shards=1)
    extract_shard(run, 0)
    index = sorted(FeatureStore.of(run).root.glob("*.json"))
    assert len(index) == 4
    lost = len(module.read_json(index[0]))
    index[0].unlink()
    assert extract_shard(run, 0)["extracted"] == lost


@pytest.mark.parametrize("shards", [1, 4, 64])
def test_shards_share_the_images_out(run_on, shards):
    run = run_on(shards=shards)
    shas = set(run.accepted.images["sha256"])
    before: set[str] = set()
    for shard in range(shards):
        counts = extract_shard(run, shard)
        known = {sha for sha in shas if sha in FeatureStore.of(run)}
        assert len(known) == len(before) + counts["extracted"]
        assert counts["images"] == counts["extracted"]
        before = known
    assert before == shas


def test_what_was_never_extracted_is_not_found(tmp_path):
    store = FeatureStore(tmp_path)
    store.add(["a", "b"], np.arange(12).reshape(2, 3, 2))
    assert "a" in store
    assert "c" not in store
    np.testing.assert_array_equal(
        store.gather(["b", "a", "b"]),
        [[[6, 7], [8, 9], [10, 11]], [[0, 1], [2, 3], [4, 5]], [[6, 7], [8, 9], [10, 11]]],
    )
    with pytest.raises(KeyError, match="c"):
        store.gather(["a", "c"])


def test_however_many_parts_no_file_stays_open(tmp_path):
    store = FeatureStore(tmp_path)
    for number in range(40):
        store.add([f"sha{number}"], np.full((1, 2, 3), number))
    before = psutil.Process().num_fds()
    shas = [f"sha{number}" for number in range(40)]
    assert store.gather(shas)[:, 1, 2].tolist() == list(range(40))
    assert psutil.Process().num_fds() == before


def test_the_order_of_an_array_in_memory_does_not_matter(tmp_path):
    store = FeatureStore(tmp_path)
    store.add(["a", "b"], np.asfortranarray(np.arange(12).reshape(2, 3, 2)))
    np.testing.assert_array_equal(store.gather(["b"]), [[[6, 7], [8, 9], [10, 11]]])


def test_a_part_that_was_cut_short_is_reported(tmp_path):
    store = FeatureStore(tmp_path)
    store.add(["a", "b"], np.ones((2, 3, 2)))
    assert store.gather(["b"]).sum() == 6
    part = next(tmp_path.glob("*.npy"))
    part.write_bytes(part.read_bytes()[:-2])
    with pytest.raises(ObjectUnavailable, match=r"ends before image 1; remove it"):
        store.gather(["b"])


@pytest.mark.parametrize("ending", [".npy", ".json"])
@pytest.mark.parametrize("kept", [0, 20])
def test_22_13_a_part_that_a_power_cut_left_is_extracted_anew(tmp_path, ending, kept):
    store = FeatureStore(tmp_path)
    store.add(["a" * 64], np.ones((1, 3, 2)))
    part = next(tmp_path.glob(f"*{ending}"))
    part.write_bytes(part.read_bytes()[:kept])
    again = FeatureStore(tmp_path)
    assert "a" * 64 not in again
    again.add(["a" * 64], np.ones((1, 3, 2)))
    assert FeatureStore(tmp_path).gather(["a" * 64]).sum() == 6
