"""Upkeep of published nights: forgetting, tables, rollback."""
