"""What every layer may use: errors, environment, settings, redaction, signals."""
