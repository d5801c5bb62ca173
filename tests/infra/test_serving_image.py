"""The image for serving holds our code without what makes models, and captions with that."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from pipeline.data.sources.scenes.dataset import draw_inbox
from tests.fixtures.stored_bundles import stored_formats, unpack

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """What its Dockerfile copies of our packages, without what it removes."""
    text = (CHECKOUT / "infra/serving.Dockerfile").read_text().replace("\\\n", " ")
    root = tmp_path_factory.mktemp("source")
    for name in re.findall(r"^COPY (pipeline|serving|nightcap) \1$", text, re.MULTILINE):
        shutil.copytree(CHECKOUT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (removed,) = re.findall(r"^RUN rm -r (.+)$", text, re.MULTILINE)
    for name in removed.split():
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return root


def python(source, code, *arguments):
    """Run code that finds there what it imports of ours, and not in the checkout that is installed in this environment."""
    alone = "import sys; sys.meta_path[:] = [each for each in sys.meta_path if '__editable__' not in str(each)]\n"
    return subprocess.run(
        [sys.executable, "-P", "-c", alone + code, *arguments],
        env={**os.environ, "PYTHONPATH": str(source), "NIGHTCAP_HOME": str(source / "home")},
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def nightcap(source, *arguments):
    return python(source, "from nightcap.cli import main; main()", *arguments)


def test_what_makes_models_is_not_in_it(source):
    made = ("data", "training", "evaluation", "release", "training_pipeline.py")
    assert [name for name in made if (source / "pipeline" / name).exists()] == []


def test_it_captions_from_a_bundle(source, tmp_path):
    bundle = unpack(stored_formats()[-1], tmp_path / "bundle")
    draw_inbox(tmp_path / "pictures", 2, seed=4)
    done = nightcap(source, "caption", "--model", str(bundle), str(tmp_path / "pictures"))
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["status"] for line in done.stdout.splitlines()] == ["captioned"] * 2


def test_a_training_is_refused_with_a_reason(source):
    done = nightcap(source, "train")
    assert done.returncode == 1
    assert "this installation only loads and runs models and lacks pipeline.t" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_command_line_starts_with_the_packages_of_the_image(source):
    """This environment has more, so what is imported is compared with the lock."""
    done = python(source, "import nightcap.cli; print(*{name.partition('.')[0] for name in sys.modules})")
    assert done.returncode == 0, done.stderr
    lock = (CHECKOUT / "requirements/serving.txt").read_text()
    locked = {re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    owners = packages_distributions()
    imported = {re.sub(r"[-_.]+", "-", owners[name][0]).lower() for name in done.stdout.split() if name in owners}
    assert imported - locked - {"nightcap"} == set()


def test_only_commands_that_make_or_remove_need_what_is_gone(source):
    lacking = set()
    for path in source.rglob("*.py"):
        for module in re.findall(r"^\s*from ((?:pipeline|serving)\.[\w.]+) import", path.read_text(), re.MULTILINE):
            place = source / module.replace(".", "/")
            if not place.is_dir() and not place.with_suffix(".py").exists():
                lacking.add(str(path.relative_to(source).with_suffix("")))
    commands = {f"nightcap/commands/{name}" for name in ("doctor", "models", "prepare", "prove", "run", "train")}
    # `models` for `repair` alone, `correct` for an image that no night captioned.
    assert lacking == commands | {"nightcap/corrections_file"} | {
        "pipeline/upkeep/forget",
        "pipeline/upkeep/gc/mark",
        "pipeline/upkeep/gc/sweep",
    }
