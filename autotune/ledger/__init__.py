"""The ledger: what a study's journal holds."""
