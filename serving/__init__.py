"""The nightly batch: plan, caption, publish, report."""
