"""What a user wants of a shipped model: metrics, targets in text, objectives."""
