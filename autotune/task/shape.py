"""What a sample's shape is said by."""

from collections.abc import Mapping

Shape = tuple[int, ...] | Mapping[str, tuple[int, ...]]
"""Of a model's only input, without the batch; of several inputs each one's, by its name."""
