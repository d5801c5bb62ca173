"""From a judged model to a registered version."""

from pipeline.registration.pack import pack
from pipeline.registration.register import judge_version, register_bundle

__all__ = ["judge_version", "pack", "register_bundle"]
