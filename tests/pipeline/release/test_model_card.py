import re

import pytest

from pipeline.core.settings import train_settings
from pipeline.evaluation.corruptions import KINDS
from pipeline.model.bundle import CARD
from pipeline.release.model_card import card_of, model_card, summary

FIGURES = {
    "validate": {
        "images": {"read": 8004, "accepted": 8000, "quarantined": {"unreadable": 3, "too_small": 1}},
        "captions": {"read": 40_020, "accepted": 39_998, "quarantined": {"empty": 2}, "left_with_their_image": 20},
        "splits": {"train": 6500, "val": 500, "test": 1000},
    },
    "adapt_vocabulary": {"size": 2345, "val_out_of_vocabulary": 0.0213},
    "extract_features": {"positions": 49, "channels": 2048},
    "train": {
        "curves": [{"seconds": 100.0}, {"seconds": 80.0}],
        "kept_epoch": 2,
        "kept": {"val_cider_d": 0.5566},
    },
    "refine": {"curves": [], "kept_epoch": 0, "kept": {"val_cider_d": 0.5566}},
}
NAMES = {
    "bleu_1": "BLEU-1",
    "bleu_2": "BLEU-2",
    "bleu_3": "BLEU-3",
    "bleu_4": "BLEU-4",
    "meteor": "METEOR",
    "rouge_l": "ROUGE-L",
    "cider_d": "CIDEr-D",
}
NEEDED = {
    "images": 1000,
    "scores": {name: 0.6 + place / 100 for place, name in enumerate(NAMES)},
    "health": {
        "dangling": 0.011,
        "repeated": 0.012,
        "unknown": 0.013,
        "empty": 0.014,
        "unique": 0.815,
        "most_frequent": 0.016,
        "words_used": 1417,
        "mean_words": 10.18,
    },
}
SLICE = {"from": 7.4, "to": 11.4, "count": 333, "mean": 0.481, "standard_error": 0.046}
LONE = {"from": 12.6, "to": 12.6, "count": 1, "mean": 0.482, "standard_error": None}
MORE = {
    "intervals": {"cider_d": [0.6121, 0.6978]},
    "leave_one_out": {name: 0.7 + place / 100 for place, name in enumerate(NAMES)},
    "wrong_pictures_cider_d": 0.0514,
    "chair": {"chair_i": 0.041, "chair_s": 0.042, "naming": 0.943, "recall": 0.444},
    "pointing": {"images": 501, "mentions": 1502, "attention": None, "occlusion": 0.853, "chance": 0.054},
    "risk_coverage": {
        "coverage": [share / 10 for share in range(10, 0, -1)],
        "cider_d": [0.9 + place / 100 for place in range(10)],
        "gain_at_70": 0.0834,
        "rank_correlation": 0.456,
    },
    "reliability": {
        "slope": 0.917,
        "intercept": 0.0372,
        "error": 0.0681,
        "fifths": [
            {"images": 60, "estimated": 0.427, "scored": 0.422},
            {"images": 61, "estimated": 0.52, "scored": 0.844},
        ],
    },
    "robustness": {
        "images": 502,
        "withhold_below": 0.2718,
        "kinds": {
            kind: {"cider_d": None if kind == "blank" else 0.3 + place / 100, "withheld": 0.2 + place / 1000}
            for place, kind in enumerate(["clean", *KINDS])
        },
    },
    "slices": {"length": [SLICE], "people": [SLICE | {"mean": 0.491}], "rare_words": [LONE]},
    "novel": 0.876,
    "gender": {"naming": 321, "naming_share": 0.432, "error": 0.065, "opposite": 0.033},
}
PHOTOGRAPHS = {
    "preset": "flickr8k",
    "source": {
        "images": "/home/canary/images",
        "train_annotations": "/home/canary/train.json",
        "val_annotations": "/home/canary/val.json",
        "test_annotations": "/home/canary/test.json",
        "data_dir": "/home/canary/tfds",
        "corrections": "/home/canary/corrections",
        "terms": "for research\n only",
    },
    "encoder": {"name": "resnet50", "weights": "/home/canary/resnet50.h5"},
    "training": {"start_from": "/home/canary/bundle"},
    "validation": {"reference": "/home/canary/profile.json", "waivers": "/home/canary/waivers.jsonl"},
}


def card_with(values=PHOTOGRAPHS, scores=NEEDED | MORE, **figures):
    return model_card(train_settings(values), FIGURES | figures, scores)


def section(card, title):
    """What stands under a heading, which must be there once."""
    [text] = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", card, re.M | re.S)
    return text.strip()


def rows(text):
    """The cells of every row of tables but the heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines if not line.startswith("|---")]


def tables(card):
    """Blocks of lines that begin with a bar."""
    return [block.strip().splitlines() for block in re.findall(r"(?:^\|.*\n)+", card, re.M)]


@pytest.mark.parametrize("scores", [NEEDED | MORE, NEEDED], ids=["everything", "the least"])
@pytest.mark.parametrize("values", [PHOTOGRAPHS, {"preset": "scenes"}], ids=["photographs", "scenes"])
def test_its_tables_are_tables(values, scores):
    card = card_with(values, scores)
    found = tables(card)
    assert len(found) == sum(line.startswith("|---") for line in card.splitlines())
    for head, line, *body in found:
        assert re.fullmatch(r"\|(---:?\|)+", line)
        assert body
        assert {row.count("|") for row in (head, *body)} == {line.count("|")}
    starts = [card[at - 2 : at] for at in (card.index("\n".join(table)) for table in found)]
    assert set(starts) == {"\n\n"}, "a table needs an empty line before it"
    assert "\n\n\n" not in card
    assert card.endswith("```\n")


def test_it_begins_with_what_it_is():
    card = card_with()
    assert card.startswith("# captioner\n\nWrites one sentence for a photograph")
    assert summary(card).endswith("CIDEr-D 66.0 on 1,000 test images that it was not trained on.")
    assert "\n" not in summary(card)


def test_it_says_what_made_the_model():
    model = section(card_with(), "Model")
    assert "`resnet50`, frozen, weights `resnet50.h5`; 49 positions of 2,048 values" in model
    assert "GRU of 512 units, word vectors of 512, `hybrid` fusion, 2,345 words" in model
    assert "`beam` of 3 hypotheses" in model
    assert "began with `bundle`" in model
    assert rows(model)[1:] == [
        ["likelihood of the training captions", "2", "2", "55.7", "3.0"],
        ["reward of whole captions (self-critical)", "left out", "", "", ""],
    ]


def test_a_second_stage_is_told_also_where_it_brought_nothing():
    curves = [{"seconds": 30.0}] * 3
    kept = {"val_cider_d": 0.6}
    better = card_with(refine={"curves": curves, "kept_epoch": 3, "kept": kept})
    assert rows(section(better, "Model"))[2][1:] == ["3", "3", "60.0", "1.5"]
    worse = card_with(refine={"curves": curves, "kept_epoch": 0, "kept": kept})
    assert rows(section(worse, "Model"))[2][1:] == ["3", "none; what it began with", "60.0", "1.5"]


def test_it_says_what_it_was_shown_and_on_what_terms():
    data = section(card_with(), "Data")
    assert "Terms: for research only\n" in data
    assert "people_terms: as_written" in data
    assert [row[:2] for row in rows(data)[1:4]] == [["train", "6,500"], ["val", "500"], ["test", "1,000"]]
    assert rows(data)[5:] == [
        ["images", "8,004", "8,000", "unreadable 3, too_small 1"],
        ["captions", "40,020", "39,998", "empty 2; 20 left with their image"],
    ]
    neutral = card_with({"source": {"kind": "tfds", "people_terms": "neutral"}})
    assert "gender was left out" in section(neutral, "Data")
    assert "not stated by whoever trained it" in section(neutral, "Data")
    assert "`coco_captions/2014`" in section(neutral, "Data")
    assert "CC BY 4.0" in section(card_with({"preset": "coco"}), "Data")


def test_the_language_of_the_captions():
    """Figures of trainings before have none."""

    def told(**figures):
        return section(card_with(adapt_vocabulary=FIGURES["adapt_vocabulary"] | figures), "Data")

    assert "Language" not in told()
    thai = told(language="th", language_is="detected", script="Thai", characters_as_words="Thai")
    assert "Language of the captions: `th`, detected by their script. Each character counts as a word." in thai
    given = told(language="en", language_is="given", script="Latin")
    assert "Language of the captions: `en`, as set (`source.language`).\n" in given
    unknown = told(language=None, language_is="detected", script="Latin")
    assert "Language of the captions: not set (`source.language`); the script is Latin.\n" in unknown


def test_a_model_of_drawn_scenes_claims_nothing_about_photographs():
    card = card_with({"preset": "scenes"})
    assert "drawn image of coloured shapes" in summary(card)
    assert "It has never seen one" in section(card, "Not intended")
    assert "photograph" not in section(card, "Intended use")
    assert rows(section(card, "Scores"))[0][2] == "a caption of Nightcap's own"  # no person wrote one
    assert "It has never seen one" not in card_with()
    assert "drafts of alternative text" in section(card_with(), "Intended use")


def test_its_limits_hold_the_run_s_own_figures():
    limits = section(card_with(), "Limits")
    assert "4.1% are not there" in limits
    assert "2.1% of the words of validation captions are unknown" in limits
    silent = card_with(scores=NEEDED | {"chair": MORE["chair"] | {"chair_i": 0.0, "naming": 0.0}})
    assert "are not there" not in section(silent, "Limits")
    assert ["named objects that are not there (CHAIR-i)", "not measured"] in rows(section(silent, "Is it true?"))


def test_every_score_stands_beside_a_person_s():
    scores = section(card_with(), "Scores")
    expected = [[name, f"{60 + at:.1f}", f"{70 + at:.1f}", ""] for at, name in enumerate(NAMES.values())]
    assert rows(scores)[0] == ["measure", "model", "a person", "the model's 95% interval"]
    expected[-1][-1] = "61.2 to 69.8"
    assert rows(scores)[1:] == [*expected, ["CIDEr-D of the same captions on wrong images", "5.1", "", ""]]


def test_health_and_truth_and_novelty_and_gender_have_their_figures():
    card = card_with()
    values = {title: [row[1] for row in rows(section(card, title)) if row[0] != "measure"] for title in TITLES[:4]}
    assert values == {
        "Caption health": ["1.1%", "1.2%", "1.3%", "1.4%", "81.5%", "1.6%", "1,417", "10.2"],
        "Is it true?": ["4.1%", "4.2%", "94.3%", "44.4%", "85.3%", "not measured", "5.4%", "1,502", "501"],
        "Novelty": ["87.6%"],
        "Gendered words": ["321", "43.2%", "6.5%", "3.3%"],
    }


TITLES = [
    "Caption health",
    "Is it true?",
    "Novelty",
    "Gendered words",
    "Does it know?",
    "Is its confidence right?",
    "Damaged images",
    "Slices",
]


def test_it_says_what_withholding_brings():
    knows = section(card_with(), "Does it know?")
    assert rows(knows)[1:] == [[f"{100 - 10 * at}%", f"{90 + at:.1f}"] for at in range(10)]
    assert "score +8.3 against all" in knows
    assert "confidence and CIDEr-D: 0.46" in knows
    assert "below 27.2" in knows


def test_it_says_how_far_its_confidence_is_off():
    right = section(card_with(), "Is its confidence right?")
    assert rows(right)[1:] == [["60", "42.7", "42.2", "█" * 10], ["61", "52.0", "84.4", "█" * 20]]
    assert "rise by 0.92 for each 1 of confidence, from 3.7;" in right
    assert "off by 6.8 in the mean" in right


def test_every_kind_of_damage_has_its_row():
    damaged = section(card_with(), "Damaged images")
    kinds = MORE["robustness"]["kinds"]
    expected = {
        ("" if kind == "blank" else f"{100 * row['cider_d']:.1f}", f"{row['withheld']:.1%}")
        for kind, row in kinds.items()
    }
    assert {tuple(row[1:]) for row in rows(damaged)[1:]} == expected
    assert len(rows(damaged)) == 1 + len(kinds)
    assert rows(damaged)[1] == ["as they are", "30.0", "20.0%"]
    assert "502 test images" in damaged


def test_slices_keep_their_order_and_one_image_has_no_error():
    assert rows(section(card_with(), "Slices"))[1:] == [
        ["words", "7.4", "11.4", "333", "48.1", "4.6"],
        ["words for people", "7.4", "11.4", "333", "49.1", "4.6"],
        ["rare words (fewer than 10 times in training)", "12.6", "12.6", "1", "48.2", "not measured"],
    ]


def test_corrected_images_stand_last_among_the_slices():
    corrected = [LONE | {"from": 0.0, "to": 0.0}, SLICE | {"from": 1.0, "to": 1.0}]
    text = section(card_with(scores=NEEDED | MORE | {"slices": MORE["slices"] | {"corrected": corrected}}), "Slices")
    assert rows(text)[4:] == [
        ["not corrected", "", "", "1", "48.2", "not measured"],
        ["corrected by people", "", "", "333", "48.1", "4.6"],
    ]
    assert "whether they corrected" in text
    assert "corrected" not in section(card_with(), "Slices")


def test_what_was_not_measured_is_said_not_to_be():
    card = card_with(scores=NEEDED | {"leave_one_out": None, "scores": NEEDED["scores"] | {"meteor": None}})
    for title in TITLES[1:]:
        assert "not measured" in section(card, title).lower(), title
        assert rows(section(card, title)) == [], title
    assert ["METEOR", "not measured", "not measured", ""] in rows(section(card, "Scores"))
    assert ["CIDEr-D", "66.0", "not measured", ""] in rows(section(card, "Scores"))
    assert "is not known" in section(card, "Limits")


def test_a_rate_of_nothing_is_no_rate():
    gender = {"naming": 0, "naming_share": 0.0, "error": 0.0, "opposite": 0.0}
    told = rows(section(card_with(scores=NEEDED | {"gender": gender}), "Gendered words"))
    assert [row[1] for row in told[1:]] == ["0", "0.0%", "not measured", "not measured"]


def test_it_keeps_the_trainer_s_folders_to_itself():
    card = card_with()
    assert "canary" not in card
    assert "/home" not in card
    settings = section(card, "Settings")
    assert "  weights: resnet50.h5" in settings
    assert "val_cut: 500" in settings
    named = card_with({"training": {"start_from": "models:/captioner@champion"}})
    assert named.count("models:/captioner@champion") == 2


def test_a_run_s_card_holds_its_own_figures(tiny_run):
    card = card_of(tiny_run, {})
    assert card == (tiny_run.output("bundle").path / "bundle" / CARD).read_text(encoding="utf-8")
    scores = tiny_run.scores()
    figures = [scores["scores"]["cider_d"], scores["leave_one_out"]["cider_d"], *scores["intervals"]["cider_d"]]
    own, rival, low, high = (f"{100 * each:.1f}" for each in figures)
    assert ["CIDEr-D", own, rival, f"{low} to {high}"] in rows(card)
    for title in TITLES:
        assert rows(section(card, title)), title
    assert str(tiny_run.home.root) not in card
