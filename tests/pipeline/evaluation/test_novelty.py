from pipeline.evaluation.novelty import novel_share


def test_novel_is_what_training_does_not_have_word_for_word():
    training = {("a", "dog", "runs"), ("a", "cat")}
    assert novel_share(["A dog runs .", "a dog", "a dog runs fast", "a cat"], training) == 0.5
    assert novel_share(["a dog", "a dog"], training) == 1
    assert novel_share([], training) == 0
