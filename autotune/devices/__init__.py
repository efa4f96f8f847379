"""Where files are run and measured, always by runner.py in a process of its own."""
