"""May a version caption in the champion's place, and on what evidence."""

from pipeline.release.gate.candidate import Candidate, candidate_of
from pipeline.release.gate.rules import Check, Verdict, judge

__all__ = ["Candidate", "Check", "Verdict", "candidate_of", "judge"]
