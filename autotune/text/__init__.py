"""How a result is said, for terminal, MLflow and report alike."""
