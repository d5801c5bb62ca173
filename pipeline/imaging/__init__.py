"""Bytes to pixels."""
