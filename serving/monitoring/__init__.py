"""Monitoring of nights: statistics, drift, alarms, metrics and alerts."""
