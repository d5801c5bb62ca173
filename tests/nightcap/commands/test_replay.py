"""`nightcap replay`."""

import pytest


def test_a_replay_of_another_folder_says_where_the_images_lie(run, inbox):
    run("night", "--input", inbox, "--night", "one", "--set", "min_side=4096")
    lost = run("replay", "--reason", "too_small")
    assert lost.code == 0
    told = " ".join(lost.err.split())
    assert f"2 in {inbox}; name one with --input" in told
    assert "2 captioned, 0 quarantined" in run("replay", "--reason", "too_small", "--night", "one").err
    done = " ".join(run("replay", "--reason", "too_small").err.split())
    assert "nothing was replayed; quarantined in" in done
    assert "too_small 2" in done


def test_an_image_that_nobody_knows_is_said_and_nothing_is_replayed(run, inbox):
    run("night", "--input", inbox, "--night", "one", "--set", "min_side=4096")
    assert run("replay", "--image", "/nowhere/0.jpg").refused(2, "knows no image '/nowhere/0.jpg'")
    assert run("replay", "--night", "onf").refused(2, "knows no night 'onf'")
    assert run("replay", "--reason", "to_small").refused(
        2, "nothing is quarantined as 'to_small' (perhaps 'too_small')"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), ("nothing to replay", "--reason", "--image", "--night")),
        (("--reason", "too_small"), ("models:/captioner@champion", "nightcap train")),
    ],
)
def test_mistakes_are_one_line(run, options, words):
    assert run("replay", *options).refused(2, *words)
