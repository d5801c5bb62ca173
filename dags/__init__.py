"""DAGs: wiring only."""
