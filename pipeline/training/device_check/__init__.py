"""Whether a GPU trains as the CPU does."""
