"""What a model is for: data, labels, losses, metrics, and the user's own functions."""
