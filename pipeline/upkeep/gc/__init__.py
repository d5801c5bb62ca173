"""Garbage collection: `mark` finds what is reachable, `sweep` lists and removes the rest."""
