"""What outlives the machine: a stack's backup and its restore, and the move from the embedded default to a stack."""
