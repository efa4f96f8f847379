"""What is built next. With ledger, the door to Optuna."""
