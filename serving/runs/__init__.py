"""The ground of a night: settings, names, files and life cycle of a run."""
