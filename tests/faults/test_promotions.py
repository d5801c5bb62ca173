"""Promotions that die, that come at once, and of versions that are damaged."""

import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from pipeline import training_pipeline as stages
from pipeline.core.errors import BundleRejected, NightcapError, PromotionConflict, PromotionRefused, Retryable
from pipeline.core.settings import GateSettings
from pipeline.model.bundle import DECODER, SUMS
from pipeline.registry.cache import fetch_bundle
from pipeline.registry.infra_validation import check_budget, try_version
from pipeline.registry.journal import Change, Journal
from pipeline.registry.loading import pin
from pipeline.registry.promotions import Promotions
from pipeline.registry.versions import CHAMPION, Registry
from pipeline.storage.objects import open_folder
from tests.pipeline.registry.light_registry import NAME, add_versions, bundle_of, captioning, home_in

URI = f"models:/{NAME}@{CHAMPION}"
CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path):
    """Version 1 captions; 2 and 3 are registered."""
    home = home_in(tmp_path)
    add_versions(home, "one", "two", "three")
    Promotions(home).promote(NAME, "1", 0, "me")
    return home


DYING = """
import os, signal, sys
from pathlib import Path
from pipeline.registry.journal import Journal
from pipeline.registry.promotions import Promotions
from pipeline.registry.versions import Registry
from tests.pipeline.registry.light_registry import NAME, home_in
root, kind, method = sys.argv[1:]
def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
setattr({"journal": Journal, "registry": Registry}[kind], method, die)
Promotions(home_in(Path(root))).promote(NAME, "2", 1, "me", "v")
"""


@pytest.mark.parametrize(
    ("kind", "method", "champion", "alias"), [("journal", "append", "1", "1"), ("registry", "set_alias", "2", "1")]
)
def test_4_killed_before_the_entry_or_between_the_entry_and_the_alias(home, kind, method, champion, alias):
    """Before the entry the old champion captions; after it the new one, and the next who asks moves the alias."""
    command = [sys.executable, "-c", DYING, str(home.root), kind, method]
    dying = subprocess.run(command, check=False, timeout=600, cwd=CHECKOUT)
    assert dying.returncode == -signal.SIGKILL
    assert Registry(home).aliased(NAME, CHAMPION) == alias
    assert pin(home, URI).version == champion
    assert Registry(home).aliased(NAME, CHAMPION) == champion
    again = Promotions(home).promote(NAME, "2", 1, "me", "v")
    assert (again.number, again.target) == (2, "2")
    assert Promotions(home).journal.last() == 2
    assert captioning(home) == Registry(home).aliased(NAME, CHAMPION) == "2"


def test_4_a_promotion_that_is_run_again_after_a_rollback_promotes_nothing(home):
    """Its entry is written, but the rollback's is newer: nobody is told that the version captions."""
    promotions = Promotions(home)
    promotions.promote(NAME, "2", 1, "me", "v")
    promotions.rollback(NAME, None, "somebody")
    with pytest.raises(PromotionConflict, match=r"somebody made version 1 it meanwhile \(promotion journal, entry 3\)"):
        promotions.promote(NAME, "2", 1, "me", "v")
    assert (promotions.journal.last(), captioning(home)) == (3, "1")


def test_4_killed_before_its_promotion_a_training_makes_no_second_version(tiny_run, tmp_path):
    home = replace(tiny_run.home, tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}", journal=str(tmp_path / "journal"))
    run = replace(tiny_run, home=home)
    run, version = stages.register(run)
    assert Promotions(home).champion(NAME) is None  # where the process ended
    run, again = stages.register(run)
    assert again == version
    assert [each.version for each in Registry(home).versions(NAME)] == ["1"]
    verdict = stages.gate(run, "1")
    assert stages.promote_version(run, "1", verdict, "airflow")["promoted"]
    [entry] = Promotions(home).journal.entries(NAME)
    assert (entry.target, entry.who, entry.verdict) == ("1", "airflow", verdict["digest"])


@pytest.fixture(scope="module")
def pool():
    """Eight processes that have imported what promotions need."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["pipeline.registry.promotions", "tests.faults.test_promotions"])
    with ProcessPoolExecutor(8, server) as pool:
        yield pool


def attempt(folder, environment, target, since):
    """What a process that wants to promote a version hears."""
    os.environ.update(environment)
    said = {"model": NAME, "action": "promote", "origin": "1", "target": target, "digest": "d", "who": f"p{target}"}
    try:
        return Journal(open_folder(folder)).append(Change.model_validate(said), since).target
    except PromotionConflict as error:
        return str(error)


@pytest.fixture(params=["local", "s3"])
def folder(request, tmp_path):
    """An empty folder for a journal, and the environment in which it is found."""
    if request.param == "local":
        return str(tmp_path), {}
    store, uri = request.getfixturevalue("s3")
    return uri, store.environment


def test_8_of_eight_promotions_at_once_one_wins(folder, pool):
    for since in range(5):
        targets = [str(10 * since + number) for number in range(8)]
        heard = list(pool.map(partial(attempt, *folder), targets, [since] * 8))
        [winner] = [answer for answer in heard if answer in targets]
        losers = [answer for answer in heard if answer not in targets]
        assert len(losers) == 7
        assert all(f"p{winner} made version {winner} it meanwhile" in answer for answer in losers)
        assert Journal(open_folder(folder[0])).current(NAME).target == winner


def promoted(root, version, since):
    try:
        entry = Promotions(home_in(Path(root))).promote(NAME, version, since, f"process of {version}", "v")
        return f"entry {entry.number}"
    except NightcapError as error:
        return type(error).__name__


def test_8_the_loser_s_version_does_not_caption(home, pool):
    heard = dict(zip("23", pool.map(promoted, [str(home.root)] * 2, "23", [1, 1]), strict=True))
    assert sorted(heard.values()) == ["PromotionConflict", "entry 2"]
    winner = next(version for version, answer in heard.items() if answer == "entry 2")
    assert pin(home, URI).version == winner


def test_8_the_loser_is_judged_again_against_the_new_champion(tiny_run, tmp_path):
    """Its verdict says that there is no champion; meanwhile there is one, which it does not beat."""
    home = replace(tiny_run.home, tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}", journal=str(tmp_path / "journal"))
    run, _ = stages.register(replace(tiny_run, home=home))
    verdict = stages.gate(run, "1")
    assert verdict["promote"]
    other = twin_of_the_first(home, tmp_path)
    Promotions(home).promote(NAME, other, 0, "somebody")
    final = stages.promote_version(run, "1", verdict)
    assert not final["promoted"]
    assert f"of version {other} on the same 12 test images" in final["reason"]
    assert captioning(home) == other
    asked = run.settings.model_copy(update={"gate": run.settings.gate.model_copy(update={"approval": "person"})})
    with pytest.raises(PromotionConflict, match="judge it again"):
        stages.promote_version(replace(run, settings=asked), "1", verdict)


def twin_of_the_first(home, folder):
    """Another version of the same bundle, from the same run; its number."""
    import mlflow

    client = mlflow.MlflowClient(home.tracking_uri)
    first = client.get_model_version(NAME, "1")
    made = client.create_model_version(NAME, first.source, run_id=first.run_id, tags=first.tags)
    return str(made.version)


def remove(bundle):
    (bundle / DECODER).unlink()


def alter(bundle):
    whole = bytearray((bundle / DECODER).read_bytes())
    whole[len(whole) // 2] ^= 1
    (bundle / DECODER).write_bytes(whole)


def alter_with_its_sums(bundle):
    from pipeline.model.bundle import seal

    alter(bundle)
    seal(bundle)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (remove, f"{DECODER} is missing"),
        (alter, f"{DECODER} was altered"),
        (alter_with_its_sums, f"{SUMS} has digest"),
    ],
)
def test_13_a_damaged_version_is_refused_and_the_alias_unmoved(home, damage, complaint):
    damage(bundle_of(home, 2))
    with pytest.raises(BundleRejected, match=complaint):
        Promotions(home).promote(NAME, "2", 1, "me")
    assert Promotions(home).journal.last() == 1
    assert captioning(home) == Registry(home).aliased(NAME, CHAMPION) == "1"


def test_13_on_trial_a_damaged_version_is_refused_whatever_is_in_the_cache(home, tiny_run):
    budget = tiny_run.settings.gate
    fetch_bundle(home, Registry(home).resolve(f"models:/{NAME}/2"))
    alter(bundle_of(home, 2))
    with pytest.raises(PromotionRefused, match=f"on trial in a process of its own: .*{DECODER} was altered"):
        try_version(home, f"models:/{NAME}/2", budget)


@pytest.mark.parametrize(
    ("number", "kind", "complaint"),
    [
        (9, Retryable, r"models:/captioner/2 on trial was killed \(signal 9\), most likely for lack of memory"),
        (15, Retryable, r"on trial was told to end \(signal 15\)"),
        (6, PromotionRefused, "on trial in a process of its own: ended with -6"),
    ],
)
def test_13_that_its_trial_was_killed_is_not_held_against_a_version(
    home, tmp_path, monkeypatch, number, kind, complaint
):
    dying = tmp_path / "python"
    dying.write_text(f"#!/bin/sh\nkill -{number} $$\n")
    dying.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dying))
    with pytest.raises(kind, match=complaint):
        try_version(home, f"models:/{NAME}/2", GateSettings())


def test_13_a_version_that_keeps_no_budget_is_refused(tiny_run):
    uri = f"models:/{NAME}/1"
    found = try_version(tiny_run.home, uri, tiny_run.settings.gate)
    assert found["golden"] == 3
    assert found["images"] == 4
    assert 0.05 < found["memory_gib"] < 8
    for setting, value in (("max_memory_gib", 0.01), ("max_seconds_per_image", 1e-9)):
        budget = tiny_run.settings.gate.model_copy(update={setting: value})
        with pytest.raises(PromotionRefused, match=f"above gate.{setting}={value:g}"):
            check_budget(uri, found, budget)
    hasty = tiny_run.settings.gate.model_copy(update={"trial_timeout_s": 0.2})
    with pytest.raises(PromotionRefused, match=r"did not caption 4 images in 0\.2 s"):
        try_version(tiny_run.home, uri, hasty)
