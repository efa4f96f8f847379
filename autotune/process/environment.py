"""Variables that libraries read, as autotune needs them where the user has not set them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def homeless() -> dict[str, str]:
    """A HOME for libraries that can't be imported without one: where the user has neither that nor an entry, as in
    some containers; else nothing.
    """
    try:
        Path.home()
    except RuntimeError:
        return {"HOME": "/nonexistent"}
    return {}


@contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Sets what the user has not set, for now."""
    ours = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
