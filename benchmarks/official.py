"""What the original COCO evaluation gives captions that `benchmarks/ablation.py` kept; needs Java and pycocoevalcap.

python -m benchmarks.official --annotations captions_val.json rows/shipped-1.jsonl [..]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from nightcap.scoring import references_of

Texts = dict[str, list[str]]


def main() -> None:
    """Print a line a file of captions, scores times 100."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", type=Path, required=True, help="the COCO captions file with the references")
    parser.add_argument("captions", type=Path, nargs="+", help="lines of JSON with image and caption")
    arguments = parser.parse_args()
    references = references_of(arguments.annotations)
    for path in arguments.captions:
        print(path.stem, ", ".join(f"{name} {100 * score:.1f}" for name, score in _scores(references, path).items()))


def _scores(references: Texts, path: Path) -> dict[str, float]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    captions = _tokenised({Path(row["image"]).name: [row["caption"]] for row in rows})
    wanted = _tokenised({name: references[name] for name in captions})
    bleu, _ = Bleu(4).compute_score(wanted, captions, verbose=0)
    others = {"METEOR": Meteor(), "ROUGE-L": Rouge(), "CIDEr": Cider()}
    return {"BLEU-4": bleu[-1]} | {name: scorer.compute_score(wanted, captions)[0] for name, scorer in others.items()}


def _tokenised(texts: Texts) -> Texts:
    captions = {name: [{"caption": text} for text in own] for name, own in texts.items()}
    tokenised: Texts = PTBTokenizer().tokenize(captions)
    return tokenised


if __name__ == "__main__":
    main()
