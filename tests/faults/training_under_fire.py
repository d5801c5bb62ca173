"""Trains the toy in processes that SIGKILL strikes at given points, and says what each came to as a line of JSON.

The processes are forked from one that has imported TensorFlow and not used it, which saves the import of each.
"""

import json
import os
import signal
import sys
import zipfile
from itertools import count
from pathlib import Path

from pipeline.training import checkpoint
from pipeline.training import trainer as step
from pipeline.training import validation_score as choice
from tests.pipeline.training import toy

EPOCHS = 3  # of three steps
REINFORCE = (step.Trainer, "reinforce", 2)
FIT = (step.Trainer, "train_step", 2)
WRITE = (zipfile._ZipWriteFile, "write", 150)
SCORE = (choice.ValidationSet, "score", 1)
SAVE = (checkpoint, "save_checkpoint", 1)
NAMED = (checkpoint, "_newest_first", 2)
# Before a step; half-way through a checkpoint's file; before an epoch is scored; when its weights were kept and nothing
# was saved; when its checkpoint had its name and the older ones were there still.
POINTS = {"train": [FIT, WRITE, SCORE, SAVE, NAMED], "refine": [REINFORCE, WRITE, SCORE, SAVE, NAMED]}


def strike(place, name, number):
    """Kill this process when a function is called for the n-th time."""
    work, calls = getattr(place, name), count(1)

    def die(*arguments):
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*arguments)

    setattr(place, name, die)


def train(root, stage, point=None, minutes=0.0):
    """One stage of a training, from where it stands."""
    if point:
        strike(*point)
    if stage == "train":
        toy.trained(root / "train", epochs=EPOCHS, checkpoint_minutes=minutes)
    else:
        toy.refined(root / "refine", root / "train", epochs=EPOCHS, checkpoint_minutes=minutes)


def apart(work, *arguments):
    """Do it in a process of its own; the signal that ended it, or 0."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return os.WTERMSIG(os.waitpid(child, 0)[1])
    try:
        work(*arguments)
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


def tell(root, stage, point, ended):
    left = sorted(path.name for path in (root / stage).glob("*") if path.is_dir())
    sys.stdout.write(json.dumps({"stage": stage, "point": point, "signal": ended, "left": left}) + "\n")


def main(root):
    for stage, points in POINTS.items():
        apart(train, root / "whole", stage, None, 5.0)
        for point in points:
            ended = apart(train, root / "killed", stage, point)
            tell(root / "killed", stage, point[1], ended)
        apart(train, root / "killed", stage)
    apart(train, root / "cut", "train", (*FIT[:2], 6))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
