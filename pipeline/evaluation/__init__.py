"""How good a trained decoder is, on images that no training code read."""
