import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.metrics.tokenizer import tokenize
from pipeline.model.vocabulary import standardize

CASES = {
    "A Cat naps on the sofa.": "a cat naps on the sofa",
    "The baker's dog can't reach; it doesn't mind.": "the baker 's dog ca n't reach it does n't mind",
    "They're sure he'll win, I'd say we've WON'T": "they 're sure he 'll win i 'd say we 've wo n't",
    "SHE'S here": "she 's here",
    "The twins' kites cannot fly": "the twins kites can not fly",
    "She is gonna jump, lemme see": "she is gon na jump lem me see",
    "'tis y'all": "'t is y' all",
    "rock 'n' roll in the '80s, 80's and 1980s": "rock 'n' roll in the '80s 80 's and 1980s",
    "Ma'am, it's three o'clock, says O'Hara": "ma'am it 's three o'clock says o'hara",
    "a bull's-eye and a cat's eye view": "a bull 's eye and a cat 's eye view",
    "a well-worn T-shirt -- half - open -pulled up-": "a well-worn t-shirt half open pulled up",
    "one ... two.. three.... four . . . five…": "one two three four five",
    "red and/or blue w/ stripes, w/o dots, 24/7": "red and/or blue w / stripes w/o dots 24/7",
    '"Stop" signs, `old` and \u2018new\u2019, “big” ones': "stop signs old and new big ones",
    "a (very) big [old] {odd} hat": "a -lrb- very -rrb- big -lsb- old -rsb- -lcb- odd -rcb- hat",
    "1,000 runners at 10:30am, 3rd in 2.5 hours -5 degrees": "1,000 runners at 10:30 am 3rd in 2.5 hours -5 degrees",
    "$5.00 or £3 for 50% of #2": "$ 5.00 or # 3 for 50 % of # 2",
    "Mr. Day of St. Ives, Ont. at 5 p.m. in the U.S.": "mr. day of st. ives ont at 5 p.m. in the u.s.",
    "See www.example.org/cats, a@example.org or #catsofport": "see www.example.org/cats a@example.org or #catsofport",
    "salt & pepper, R&B, Q&amp;A": "salt & pepper r&b q&a",
    "wow!!! what?! yes! no?": "wow !!! what ?! yes no",
    "ein Mädchen läuft — très-vite \u2013 ½ café\u2019s": "ein mädchen läuft très-vite 1/2 café 's",
    "мальчик и собака, 犬": "мальчик и собака 犬",
    "line one\nline\ttwo\u00a0end": "line one line two end",
    "a dog 🐕 runs\u200bfast so\u00adftly": "a dog runs fast softly",
    "<b>bold</b> a_b c*d": "<b> bold </b> a_b c * d",
    " . , !": "",
    "": "",
}


@pytest.mark.parametrize(("text", "tokens"), CASES.items())
def test_a_caption_becomes_treebank_tokens(text, tokens):
    assert tokenize(text) == tokens.split()


def test_the_java_tokenizer_agrees():
    package = find_spec("pycocoevalcap")
    if not (shutil.which("java") and package):
        pytest.skip("needs Java and pycocoevalcap")
    jar = next(Path(package.submodule_search_locations[0], "tokenizer").glob("*.jar"))
    lines = [" ".join(text.split()) for text in CASES if text.strip(" .,!")]
    options = ["-preserveLines", "-lowerCase"]
    done = subprocess.run(
        ["java", "-Dfile.encoding=UTF-8", "-cp", jar, "edu.stanford.nlp.process.PTBTokenizer", *options],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    punctuation = {"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"}
    for line, answer in zip(lines, done.stdout.rstrip("\n").split("\n"), strict=True):
        assert tokenize(line) == [token for token in answer.split() if token not in punctuation], line


@settings(deadline=None)
@given(st.text(max_size=60))
def test_tokens_are_lower_case_and_hold_no_space(text):
    for token in tokenize(text):
        assert token
        assert not re.search(r"\s", token)
        assert token == token.lower()


@settings(deadline=None)
@given(st.lists(st.text("abcdefgXYZ'.-,0123", min_size=1, max_size=8), max_size=6))
def test_white_space_of_any_kind_only_separates(chunks):
    assert tokenize(" ".join(chunks)) == tokenize("\n\t" + "\u00a0 ".join(chunks))


@pytest.mark.parametrize("unit", ["a", "1.", "$a.", "é'", "a&", "a+", "1.a", "1,a", "a.-", "((", "'n", "/a"])
def test_no_text_is_slow_in_more_than_its_length(unit):
    tokenize(unit * 4_000)  # quadratic rules take minutes here


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\u201elow\u201c and \u201asingle\u2018", "low and single"),
        ("\u0f56\u0f7c\u0f51\u0f0b\u0f66\u0f90\u0f51\u0f0b", "\u0f56\u0f7c\u0f51 \u0f66\u0f90\u0f51"),
        ("\u12cd\u123b\u1361\u12ed\u122e\u1323\u120d\u1362", "\u12cd\u123b \u12ed\u122e\u1323\u120d"),
        ("\u0577\u0578\u0582\u0576\u0589", "\u0577\u0578\u0582\u0576"),
    ],
)
def test_21_10_punctuation_of_other_scripts_is_no_word_of_scores_as_it_is_none_of_vocabularies(text, words):
    assert tokenize(text) == words.split() == standardize(text).split()
