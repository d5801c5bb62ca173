import json
import time

import pytest

from pipeline.core.errors import SettingsError
from pipeline.metrics.cider import DocumentFrequencies
from pipeline.metrics.scores import leave_one_out, score_captions
from pipeline.metrics.tokenizer import tokenize
from pipeline.storage.files import read_json

REFERENCES = {
    "boat.jpg": ["A red boat on a calm lake.", "The boat lies on the water"],
    "kite.jpg": ["A girl flies a yellow kite.", "A kite in the sky, held by a girl"],
    "tram.jpg": ["A tram passes a café.", "The old tram turns left"],
}
CAPTIONS = {image: texts[0] for image, texts in REFERENCES.items()}
NAMES = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l", "cider_d"]
STORED = {"bleu_1": "Bleu_1", "bleu_4": "Bleu_4", "rouge_l": "ROUGE_L", "cider_d": "CIDEr"}


def test_the_report_has_the_keys_that_commands_promise():
    report = score_captions(REFERENCES, CAPTIONS, meteor=False)
    scored = json.loads(json.dumps(report.as_json()))
    assert list(scored) == ["images", "scores", "intervals", "health", "missing"]
    assert list(scored["scores"]) == NAMES
    assert scored["images"] == 3
    assert scored["missing"] == 0
    assert scored["scores"]["meteor"] is None
    assert set(report.per_image["boat.jpg"]) == {"bleu_4", "rouge_l", "cider_d"}


def test_a_caption_equal_to_a_reference_is_best():
    single = {image: texts[:1] for image, texts in REFERENCES.items()}
    scores = score_captions(single, CAPTIONS, meteor=False).scores
    assert scores["bleu_4"] == pytest.approx(1, abs=1e-6)
    assert scores["rouge_l"] == pytest.approx(1)
    assert scores["cider_d"] == pytest.approx(10)


def test_an_image_without_a_caption_scores_nothing():
    full = score_captions(REFERENCES, CAPTIONS, meteor=False)
    part = score_captions(REFERENCES, {k: v for k, v in CAPTIONS.items() if k != "tram.jpg"}, meteor=False)
    assert part.missing == ("tram.jpg",)
    assert part.images == 3
    assert part.per_image["tram.jpg"] == {"bleu_4": 0, "rouge_l": 0, "cider_d": 0}
    assert part.per_image["boat.jpg"] == full.per_image["boat.jpg"]
    assert part.scores["rouge_l"] == pytest.approx(full.scores["rouge_l"] * 2 / 3)
    assert all(part.scores[name] < full.scores[name] for name in NAMES if name != "meteor")
    assert part.health.empty == 0


def test_an_empty_caption_scores_as_a_missing_one():
    empty = score_captions(REFERENCES, CAPTIONS | {"tram.jpg": " "}, meteor=False)
    missing = score_captions(REFERENCES, {k: v for k, v in CAPTIONS.items() if k != "tram.jpg"}, meteor=False)
    assert empty.scores == missing.scores
    assert empty.missing == ()
    assert empty.health.empty == pytest.approx(1 / 3)


def test_the_order_of_images_does_not_matter():
    turned = score_captions(dict(reversed(REFERENCES.items())), CAPTIONS, meteor=False)
    straight = score_captions(REFERENCES, CAPTIONS, meteor=False)
    assert turned.scores == pytest.approx(straight.scores)
    assert turned.per_image == straight.per_image


def test_frozen_frequencies_keep_the_score_of_an_image():
    frozen = DocumentFrequencies.of([[tokenize(text) for text in texts] for texts in REFERENCES.values()])
    alone = {"boat.jpg": REFERENCES["boat.jpg"]}
    caption = {"boat.jpg": CAPTIONS["boat.jpg"]}
    everything = score_captions(REFERENCES, CAPTIONS, meteor=False)
    assert score_captions(alone, caption, meteor=False).scores["cider_d"] == 0
    assert (
        score_captions(alone, caption, meteor=False, frequencies=frozen).scores["cider_d"]
        == everything.per_image["boat.jpg"]["cider_d"]
    )


@pytest.fixture
def without_java(monkeypatch):
    monkeypatch.setenv("PATH", "")  # METEOR takes Java some seconds


def test_leaving_one_out_is_scoring_the_first_against_the_others(without_java):
    others = {image: texts[1:] for image, texts in REFERENCES.items()}
    assert leave_one_out(REFERENCES) == score_captions(others, CAPTIONS, meteor=False).scores


@pytest.mark.parametrize(
    ("references", "captions", "message"),
    [
        ({}, {}, "no reference captions"),
        ({"a.jpg": []}, {}, "'a.jpg'"),
        ({"a.jpg": ["a dog"]}, {"b.jpg": "a dog"}, "'b.jpg'"),
    ],
)
def test_captions_that_cannot_be_scored_are_refused(references, captions, message):
    with pytest.raises(SettingsError, match=message):
        score_captions(references, captions, meteor=False)


def test_leaving_one_out_needs_two():
    with pytest.raises(SettingsError, match=r"1 images have fewer than two .*'a\.jpg'"):
        leave_one_out({"a.jpg": ["a dog"], "b.jpg": ["a cat", "two cats"]})


@pytest.mark.parametrize("name", ["nlg_eval_readme", "coco_fakecap_126"])
@pytest.mark.parametrize(("prefix", "within"), [("ptb_", 1e-6), ("", 1e-3)])
def test_stored_scores(shared_data, name, prefix, within):
    vector = read_json(shared_data / f"data/metric_vectors/{name}.json")
    scores = score_captions(vector[f"{prefix}refs"], vector[f"{prefix}hyps"], meteor=False).scores
    for ours, theirs in STORED.items():
        assert scores[ours] == pytest.approx(vector["pycocoevalcap_1.2"][theirs], abs=within), ours


@pytest.mark.parametrize("prefix", ["ptb_", ""])
def test_stored_human_scores(shared_data, prefix, without_java):
    vector = read_json(shared_data / "data/metric_vectors/flickr8k_val_human_loo.json")
    texts = {image: [vector[f"{prefix}hyps"][image], *own] for image, own in vector[f"{prefix}refs"].items()}
    scores = leave_one_out(texts)
    stored = vector["pycocoevalcap_1.2"]  # rounded to four digits
    for ours, theirs in {"bleu_1": "BLEU-1", "bleu_4": "BLEU-4", "rouge_l": "ROUGE-L", "cider_d": "CIDEr"}.items():
        assert scores[ours] == pytest.approx(stored[theirs], abs=5.1e-5), ours


def test_raw_captions_give_the_stored_tokens(shared_data):
    for name in ("coco_fakecap_126", "flickr8k_val_human_loo"):
        vector = read_json(shared_data / f"data/metric_vectors/{name}.json")
        for image, text in vector["hyps"].items():
            assert tokenize(text) == vector["ptb_hyps"][image].split()
        for image, texts in vector["refs"].items():
            assert [tokenize(text) for text in texts] == [text.split() for text in vector["ptb_refs"][image]]


def test_stored_meteor(shared_data):
    vector = read_json(shared_data / "data/metric_vectors/coco_fakecap_126.json")
    scored = score_captions(vector["refs"], vector["hyps"]).scores["meteor"]
    if scored is None:
        pytest.skip("needs Java and pycocoevalcap")
    assert scored == pytest.approx(vector["pycocoevalcap_1.2"]["METEOR"], abs=1e-6)


def test_five_thousand_images_are_scored_in_seconds():
    references = {
        str(image): [f"a number {image} of kind {image % 7} stands by a row of {place} trees" for place in range(5)]
        for image in range(5_000)
    }
    start = time.process_time()
    score_captions(references, {image: texts[0] for image, texts in references.items()}, meteor=False)
    assert time.process_time() - start < 20  # 2 s where nothing else runs
