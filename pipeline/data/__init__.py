"""Sources, snapshots of them, and their validation."""
