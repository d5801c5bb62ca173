"""Baselines get the same images and words as ours."""

import sys
from pathlib import Path

from benchmarks import captioning, starting_design, training_step

PEER = """
import json, sys

for line in sys.stdin:
    asked = json.loads(line)
    sizes = [len(open(file, "rb").read()) for file in asked["files"]]
    print(asked["beams"] + sum(sizes) / 1000, flush=True)
"""


def test_other_captioners_are_asked_for_the_same_files(tmp_path, monkeypatch):
    peer = tmp_path / "peer.py"
    peer.write_text(PEER)
    monkeypatch.setattr(captioning, "OTHERS", peer)
    with captioning._others(Path(sys.executable), tmp_path) as ways:
        seconds = {name: way([b"x" * 100, b"y" * 400]) for name, (way, _) in ways.items()}
    assert seconds == {
        "BLIP-base, greedy, batched": 1.5,
        "BLIP-base, beam 3, batched": 3.5,
        "ViT-GPT2, greedy, batched": 1.5,
        "ViT-GPT2, beam 3, batched": 3.5,
    }


def test_a_training_step_takes_as_many_words_of_each_design():
    tokens = training_step._tokens(3)
    assert tokens.shape == (3, training_step.CAPTION_WORDS + 2)
    assert tokens.max() < starting_design.STARTING_WORDS
    assert training_step.CAPTION_WORDS == captioning.CAPTION_WORDS
