"""What autotune claims of its own speed, as ratios measured side by side in one run: `make bench`."""
