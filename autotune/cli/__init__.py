"""The command line: what each command takes, and whom it calls."""
