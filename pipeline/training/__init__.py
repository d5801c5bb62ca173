"""Fitting the decoder to features and token ids."""
