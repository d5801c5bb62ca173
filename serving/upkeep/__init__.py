"""What is done to published nights: forget, tables, rollback."""
