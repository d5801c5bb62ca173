"""How good captions are."""
