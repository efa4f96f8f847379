"""Exit statuses of the command line."""

DONE, OURS, INPUT, UNMET, INTERRUPTED = 0, 1, 2, 3, 130
"""Done; ours or the machine's fault; wrong input; done, nothing meets the targets; Ctrl-C."""
