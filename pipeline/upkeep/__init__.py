"""Maintenance of a store: gc, forget, trace, backup."""
