"""What users say of a run, as one table."""
