"""Whether a version may caption in the champion's place, and the evidence."""

from pipeline.release.gate.candidate import GateCandidate, candidate_of
from pipeline.release.gate.rules import Check, GateVerdict, judge

__all__ = ["Check", "GateCandidate", "GateVerdict", "candidate_of", "judge"]
