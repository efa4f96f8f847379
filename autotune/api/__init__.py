"""The Python API: what the command line does, by calls."""
