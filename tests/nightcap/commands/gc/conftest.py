"""The home of old trainings, and the command."""

from tests.pipeline.upkeep.gc.old_trainings import gc, home, template  # noqa: F401
