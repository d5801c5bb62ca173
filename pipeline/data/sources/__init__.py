"""Where captioned photographs come from."""
