"""What processes do in rounds of everything at once: each step once, as a person or a schedule does it."""

import sys
import time
import traceback
from datetime import UTC, datetime, timedelta

from nightcap.forgetting import forget_images
from pipeline.core.errors import NightcapError
from pipeline.core.signals import Stopped, heeding_sigterm
from pipeline.registry.promotions import Promotions
from pipeline.upkeep.gc.mark import Reachable
from pipeline.upkeep.gc.sweep import collect, find_garbage
from serving.night import run_night
from serving.planning.replay import attempt_of
from serving.reporting.report import report
from serving.runs.lifecycle import ended_nights, open_models, planned_runs
from serving.runs.plan_file import Attempt
from serving.upkeep.rollback import RollbackSettings, roll_back
from serving.upkeep.tables import Tending, TendingSettings
from tests.pipeline.registry.light_registry import NAME
from tests.serving.night_world import ColourCaptioner, World, settings_of

TOLD = 3  # the exit status of a step that ended with an error of ours


def work(root, kind, *names):
    """One step in a process of its own."""
    world = World.within(root)
    try:
        with heeding_sigterm():
            STEPS[kind](world, *names)
    except Stopped:
        sys.exit(TOLD)
    except NightcapError as error:
        (root / "told").write_text(str(error))
        print(f"  {kind} {names[:1]}: {error}"[:300], flush=True)
        sys.exit(TOLD)
    except BaseException:
        print(f"  {kind} {names[:1]}", flush=True)
        traceback.print_exc()
        raise


def night(world, name):
    settled = name.startswith("z")
    _night(world, lambda model, settings, now: Attempt(name, "r1", now + timedelta(hours=settled)))


def replay(world, name):
    def attempt(model, settings, now):
        return attempt_of(settings, world.home, now, model=model)

    _night(world, attempt, replay_night=name)


def _night(world, attempt, **settings):
    pinned = Promotions(world.home).champion(NAME)
    captioner = ColourCaptioner(NAME, pinned.version, pinned.digest, pinned.engine)
    given = settings_of(
        output=str(world.home.root / "out"),
        write_sidecars=True,
        write_csv=True,
        decoders=1,
        part_size=2,
        experiment=None,
        **settings,
    )
    run_night(given, world.home, pinned, lambda _: captioner, attempt(pinned, given, datetime.now(UTC)))


def forget(world, *names):
    if names:
        forget_images(world.home, frozenset(names), world.home.captions, lambda _: None)


def tend(world):
    tending = Tending(TendingSettings(), world.home)
    tending.compact()
    tending.vacuum()


def gc(world):
    home, now = world.home, time.time()
    reach = Reachable(home, open_models(home.store), 5, now - 86_400)
    collect(reach, [*find_garbage(reach), *ended_nights(home.store, now - 90 * 86_400)])


def promote(world, version):
    promotions = Promotions(world.home)
    promotions.promote(NAME, version, promotions.journal.last(), "somebody")


def rollback(world):
    roll_back(world.home, RollbackSettings(model_name=NAME), "somebody")


def reports(world):
    for run in planned_runs(world.home.store):
        if run.is_published:
            report(run.path)


STEPS = {step.__name__: step for step in (night, replay, forget, tend, gc, promote, rollback, reports)}
