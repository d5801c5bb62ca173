"""The list of forgotten images keeps no name."""

from concurrent.futures import ThreadPoolExecutor

from pipeline.storage.forgotten import Forgotten, remember_to_forget


def test_a_store_without_a_list_has_forgotten_nothing(tmp_path):
    forgotten = Forgotten.of(tmp_path)
    assert not forgotten
    assert "a.jpg" not in forgotten


def test_forgotten_images_are_recognised_and_their_names_are_nowhere(tmp_path):
    remember_to_forget(tmp_path, ["/inbox/ermintrude.jpg", "s3://bucket/b\udcff.jpg"])
    remember_to_forget(tmp_path, ["/inbox/ermintrude.jpg"])
    forgotten = Forgotten.of(tmp_path)
    assert forgotten
    assert "/inbox/ermintrude.jpg" in forgotten and "s3://bucket/b\udcff.jpg" in forgotten
    assert "/inbox/other.jpg" not in forgotten
    files = list((tmp_path / "forgotten").iterdir())
    assert len(files) == 3
    assert not [file for file in files if "ermintrude" in file.name or b"ermintrude" in file.read_bytes()]


def test_two_stores_name_the_same_image_differently(tmp_path):
    for name in ("one", "other"):
        remember_to_forget(tmp_path / name, ["a.jpg"])
    assert not Forgotten.of(tmp_path / "one").digests & Forgotten.of(tmp_path / "other").digests


def test_of_many_at_once_all_use_one_key(tmp_path):
    names = [f"{number}.jpg" for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: remember_to_forget(tmp_path, [name]), names))
    forgotten = Forgotten.of(tmp_path)
    assert all(name in forgotten for name in names)
    assert len(forgotten.digests) == 16
