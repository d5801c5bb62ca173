"""May a version caption in the champion's place, and on what evidence."""

from pipeline.gate.evidence import Candidate, candidate_of
from pipeline.gate.verdict import Check, Verdict, judge

__all__ = ["Candidate", "Check", "Verdict", "candidate_of", "judge"]
