import pytest

from pipeline.release.gate.candidate import GateReferences, candidate_of

REFERENCES = {
    "a.jpg": ["a dog runs on grass", "a brown dog runs"],
    "b.jpg": ["a man rides a bicycle", "a cyclist on a road"],
    "c.jpg": ["two birds sit on a wire", "birds on a wire"],
}


def test_captions_are_scored_against_their_own_images():
    references = GateReferences(REFERENCES)
    captions = {image: texts[0] for image, texts in REFERENCES.items()}
    own, moved = references.score(captions), references.score_moved(captions)
    assert references.images == list(REFERENCES)
    assert (own > 2).all()
    assert (own <= 10).all()
    assert (moved < 1).all()


def test_a_missing_caption_scores_nothing():
    references = GateReferences(REFERENCES)
    scores = references.score({"a.jpg": "a dog runs on grass"})
    assert scores[0] > 0
    assert scores[1:].tolist() == [0, 0]


def test_a_candidate_has_scores_health_and_what_was_measured():
    captions = {"a.jpg": "a dog runs on grass", "b.jpg": "", "c.jpg": "a dog runs on grass"}
    candidate = candidate_of("2", "d" * 64, GateReferences(REFERENCES), captions, chair=0.25)
    assert (candidate.version, candidate.chair, candidate.withheld) == ("2", 0.25, None)
    assert len(candidate.cider_d) == len(candidate.moved) == 3
    assert candidate.health.as_dict()["empty"] == pytest.approx(1 / 3)
