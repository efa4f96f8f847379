"""How fast a file runs: rounds until the interval is narrow, profiles, traces, benchmarks."""
