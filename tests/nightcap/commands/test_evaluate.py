"""`nightcap evaluate`."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("without_java")


@pytest.fixture
def dataset(tmp_path, photo):
    """A captions file of four images: two sound, one broken, one not there."""
    (tmp_path / "images" / "deep").mkdir(parents=True)
    names = ["a.jpg", "deep/b.jpg", "broken.jpg", "gone.jpg"]
    for name, data in zip(names, [photo(1), photo(2), photo(3)[:2000]], strict=False):
        (tmp_path / "images" / name).write_bytes(data)
    images = [{"id": place, "file_name": name} for place, name in enumerate(names)]
    captions = [{"image_id": place, "caption": f"a picture of {name}"} for place, name in enumerate(names)]
    (tmp_path / "captions.json").write_text(json.dumps({"images": images, "annotations": captions}))
    return tmp_path


def test_images_without_a_caption_count_and_are_told(run, trained, dataset):
    done = run(
        "evaluate",
        *("--annotations", dataset / "captions.json", "--images", dataset / "images"),
        *("--output", dataset / "scores.json", "--beam", "2"),
    )
    report = json.loads((dataset / "scores.json").read_text())
    assert (done.code, done.out) == (0, "")
    assert done.err == "2 of 4 images have no caption and score 0: 1 truncated, 1 missing\n"
    assert list(report) == ["images", "scores", "intervals", "health", "missing"]
    assert (report["images"], report["missing"]) == (4, 2)
    assert all(0 <= score <= 1 for name, score in report["scores"].items() if score is not None and name != "cider_d")
    assert report["health"]["mean_words"] > 0


def test_it_scores_as_caption_and_score_do(run, trained, dataset):
    annotated = ("--annotations", dataset / "captions.json")
    direct = run("evaluate", *annotated, "--images", dataset / "images")
    run("caption", dataset / "images", "--output", dataset / "lines.jsonl")
    assert json.loads(run("score", *annotated, "--captions", dataset / "lines.jsonl").out) == json.loads(direct.out)


def test_a_missing_folder_is_one_line(run, dataset):
    done = run("evaluate", "--annotations", dataset / "captions.json", "--images", dataset / "none")
    assert done.refused(2, "--images", "none", "captions.json")
