"""What keeps a store in order: gc, forget, trace, backup."""
