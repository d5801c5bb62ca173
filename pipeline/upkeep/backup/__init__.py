"""A stack's backup and restore, and the move from the embedded default to a stack."""
