"""Captioners that others made: an MLflow pyfunc that a person named, run in a process of its own."""
