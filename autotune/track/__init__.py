"""Projections of a study's record: MLflow runs, pictures."""
