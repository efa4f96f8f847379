"""Values of several inputs or outputs as one array: NumPy's structured arrays, with a field for each, by its name.

One input or output is a plain array. Either kind has the samples along its first axis, is cut, drawn and joined
alike, and is one .npy file without pickle.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
"""Samples, labels, outputs or weights, of whichever numbers they are: each function says of which."""

CHUNK = 1 << 22
"""Bytes that are looked at at once, where all together would take memory."""


def array(values: object) -> Array:
    """Values as an array, which stays in its file where it is in one.

    Raises:
        ValueError, TypeError: they are none.
    """
    return values if isinstance(values, np.memmap) else np.asarray(values)


def chunks(values: Array) -> Iterator[Array]:
    """Samples (n, …) in order, as views of so many as take CHUNK bytes, of one at least."""
    step = max(1, CHUNK // max(1, values[:1].nbytes))
    return (values[start : start + step] for start in range(0, len(values), step))


def names(values: Array) -> tuple[str, ...]:
    """Names of the inputs or outputs, () where there is one, which needs none."""
    return values.dtype.names or ()


def parts(values: Array) -> dict[str, Array]:
    """Each input's or output's values (n, …), as views; of a plain array itself, by the name ""."""
    return {name: values[name] for name in names(values)} or {"": values}


def joined(values: Mapping[str, Array]) -> Array:
    """The reverse of parts(): one plain array where the only name is "", else a structured one.

    Args:
        values: (n, …) each, of one n.

    Raises:
        ValueError: their numbers differ.
    """
    if list(values) == [""]:
        return values[""]
    result = empty(count(values), {name: (v.dtype, v.shape[1:]) for name, v in values.items()})
    for name, value in values.items():
        result[name] = value
    return result


def count(values: Mapping[str, Array]) -> int:
    """The number of samples of inputs or outputs, (n, …) each, which is one.

    Raises:
        ValueError: their numbers differ.
    """
    lengths = {name: len(value) for name, value in values.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(", ".join(f"{name} has {length}" for name, length in lengths.items()))
    return next(iter(lengths.values()))


def cast(values: Array, dtypes: Mapping[str, str]) -> Array:
    """Each input or output in its type; those that have it, and those of which nothing is said, stay as they are.

    Args:
        values: as parts() takes them.
        dtypes: by name.
    """
    return each(values, lambda name, value: value.astype(dtypes.get(name, value.dtype), copy=False))


def nested(values: Array) -> Array | tuple[Array, ...]:
    """As Keras and tf.data take them: a plain array itself, else each input's or output's, in their order."""
    return tuple(map(np.ascontiguousarray, parts(values).values())) if names(values) else values


def empty(count: int, kinds: Mapping[str, tuple[DTypeLike, Sequence[int]]]) -> Array:
    """Room for so many samples.

    Args:
        count: of samples.
        kinds: dtype and shape of a sample's values, by name.
    """
    if list(kinds) == [""]:
        dtype, shape = kinds[""]
        return np.empty((count, *shape), dtype)
    # Packed: gaps would hold whatever memory held, and no digest would be like another.
    return np.empty(count, np.dtype([(name, dtype, tuple(shape)) for name, (dtype, shape) in kinds.items()]))


def each(values: Array, change: Callable[[str, Array], Array]) -> Array:
    """Values with each input or output changed; values themselves where none is, and they are packed.

    Args:
        values: as parts() takes them.
        change: of a name and its values.
    """
    columns = parts(values)
    changed = {name: change(name, value) for name, value in columns.items()}
    packed = values.itemsize == sum(
        dtype.itemsize for dtype, *_ in (values.dtype.fields or {"": [values.dtype]}).values()
    )
    return values if packed and all(changed[name] is columns[name] for name in columns) else joined(changed)
