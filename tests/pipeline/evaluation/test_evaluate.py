from dataclasses import replace

import pandas as pd
import pytest

from pipeline.core.settings import DecodingSettings
from pipeline.evaluation.evaluate import _chair, caption_split, evaluate
from pipeline.evaluation.objects import scenes_chair
from pipeline.metrics.scores import leave_one_out, score_captions


def test_the_test_split_is_captioned_and_no_other(tiny_run, lines):
    assert [line["image"] for line in lines] == list(tiny_run.accepted.images_of("test")["image"])
    assert all(line["caption"] and line["score"] < 0 for line in lines)


def test_scores_are_those_of_the_captions_that_were_written(tiny_run, scores, lines, references):
    captions = {line["image"]: line["caption"] for line in lines}
    report = score_captions(references, captions, meteor=False)
    for name, value in report.scores.items():
        if name != "meteor":
            assert scores["scores"][name] == pytest.approx(value), name
    assert scores["health"] == pytest.approx(report.health.as_dict())
    assert (scores["images"], scores["missing"]) == (len(references), 0)
    assert scores["test_digest"] == tiny_run.accepted.fingerprint("test")


def test_controls_say_what_people_and_wrong_images_score(scores, lines, references):
    assert scores["leave_one_out"] == pytest.approx(leave_one_out(references))
    moved = {line["image"]: other["caption"] for line, other in zip(lines, [*lines[1:], lines[0]], strict=True)}
    wrong = score_captions(references, moved, meteor=False).scores["cider_d"]
    assert scores["wrong_pictures_cider_d"] == pytest.approx(wrong)


def test_captions_of_scenes_are_held_against_what_is_there(scores, lines, tiny_run):
    captions = {line["image"]: line["caption"] for line in lines}
    assert scores["chair"] == pytest.approx(scenes_chair(captions, tiny_run.accepted.boxes("test")))


def test_people_s_gender_novelty_and_slices_are_reported(scores, lines, references):
    assert scores["gender"]["naming"] == 0  # scenes hold no people
    assert 0 <= scores["novel"] <= 1
    for kind in ("length", "people", "rare_words"):
        assert sum(row["count"] for row in scores["slices"][kind]) == len(lines)
        total = sum(row["count"] * row["mean"] for row in scores["slices"][kind])
        assert total / len(lines) == pytest.approx(scores["scores"]["cider_d"])


def test_without_known_objects_there_is_no_chair(tiny_run, references):
    source = tiny_run.settings.source.model_copy(update={"kind": "tfds"})
    run = replace(tiny_run, settings=tiny_run.settings.model_copy(update={"source": source}))
    captions = {image: texts[0] for image, texts in references.items()}
    assert _chair(run, references, captions) == {}  # labels such as `red circle` are none of COCO's


def test_each_image_has_its_own_scores(folder, scores, lines):
    rows = pd.read_parquet(folder / "per_image.parquet")
    assert rows[["image", "caption", "score"]].to_dict("records") == lines
    assert rows["cider_d"].mean() == pytest.approx(scores["scores"]["cider_d"])
    assert rows["rouge_l"].mean() == pytest.approx(scores["scores"]["rouge_l"])


def test_another_way_of_choosing_words_is_another_evaluation_of_the_same_images(tiny_run, lines):
    sampled = DecodingSettings(method="sample", temperature=2.0, max_words=5)
    run = replace(tiny_run, settings=tiny_run.settings.model_copy(update={"decoding": sampled}))
    captions = caption_split(run, "test")
    assert list(captions) == [line["image"] for line in lines]
    assert [caption.text for caption in captions.values()] != [line["caption"] for line in lines]
    assert all(len(caption.text.split()) <= 5 for caption in captions.values())
    assert caption_split(run, "test") == captions


def test_evaluated_already_it_is_not_evaluated_again(tiny_run, folder):
    before = (folder / "scores.json").stat().st_mtime_ns
    assert evaluate(tiny_run).path == folder
    assert (folder / "scores.json").stat().st_mtime_ns == before
