"""What files score on single samples, as arrays."""

from typing import Any

from numpy.typing import NDArray

Each = NDArray[Any]
"""A file's score on each sample, (n,): booleans where it is right or wrong there, else floats, and not only of one
width; or of each resample.
"""
