"""What a night captions, and with which model."""
