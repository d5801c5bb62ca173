"""How good a trained decoder is, on pictures that no training code read."""
