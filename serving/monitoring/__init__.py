"""Watching a night: what it was like, whether that is odd, and who is told."""
