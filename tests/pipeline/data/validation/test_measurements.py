import time

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.validation.measurements import caption_facts


def facts_of(*captions):
    return caption_facts(pd.DataFrame({"image": "a", "position": range(len(captions)), "caption": captions}))


@given(st.lists(st.text(), min_size=1, max_size=6))
def test_caption_facts_measure_any_text(texts):
    facts = facts_of(*texts)
    assert list(facts["characters"]) == [len(text) for text in texts]
    assert (facts["words"] <= facts["characters"]).all()


@given(st.text(" .,!?-_'\"\n\t…—«»。、¿👍"))
def test_signs_alone_are_no_words(text):
    assert facts_of(text)["words"].item() == 0


@given(st.lists(st.sampled_from(["a", "l'homme", "3", "दौड़ता", "собака,", "(été)", "x-y_z"])))
def test_words_are_told_apart_by_spaces(words):
    assert facts_of("  ".join(words))["words"].item() == len(words)


@pytest.mark.parametrize("text", ["." * 10**6, "<a" * 500_000, "_." * 500_000, "&a" * 500_000, "ไ" * 10**6])
def test_hostile_captions_take_no_time(text):
    start = time.process_time()
    facts_of(text)
    assert time.process_time() - start < 2
