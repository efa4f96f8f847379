"""Files of .tflite of any content: our own reader tells what is in them, or that they are not whole."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import assume, given
from hypothesis import strategies as st

from autotune.devices.client.device import PROBE
from autotune.model import tflite
from autotune.tflite import flatbuffer, operators, structure
from autotune.tflite.tables import check_tables
from tests.compress import tables
from tests.readers.contract import read_or_refused
from tests.readers.mutations import damaged

FILES = {"probe": PROBE.read_bytes(), "small": tables.small(), "behind": tables.behind(tables.small())}

READERS: dict[str, Callable[[bytes], Any]] = {
    "facts": tflite.facts,
    "layers": flatbuffer.read_layers,
    "weights": flatbuffer.read_weights,
    "activations": flatbuffer.activations,
    "structure": structure.structure,
    "operators": operators.operators,
}

ODD = st.sampled_from([0, 1, -1, 7, 127, 2**15 - 1, 2**31 - 1, -(2**31)])


@st.composite
def rewired(draw: st.DrawFn, file: bytes) -> bytes:
    """A file whole in itself, in which a few fields say something else, such as numbers of tensors or shapes."""
    model = schema.ModelT.InitFromPackedBuf(file, 0)
    for _ in range(draw(st.integers(1, 3))):
        table: Any = model
        for _ in range(draw(st.integers(1, 6))):
            inner = [value for value in vars(table).values() if hasattr(value, "__dict__")]
            lists = [value for value in vars(table).values() if isinstance(value, list) and value]
            inner += [each for value in lists for each in value if hasattr(each, "__dict__")]
            if inner:
                table = draw(st.sampled_from(inner))
        field = draw(st.sampled_from(sorted(vars(table))))
        value = getattr(table, field)
        if isinstance(value, np.ndarray) and value.size and draw(st.booleans()):
            changed = value.copy()
            changed[draw(st.integers(0, value.size - 1))] = draw(ODD) % (2 ** (8 * value.itemsize - 1))
            setattr(table, field, changed)
        else:
            setattr(
                table, field, draw(st.none() | ODD | st.just([]) | st.just(b"\xff") | st.just([-1, 9]) | st.just(value))
            )
    try:
        return tables.packed(model)
    except Exception:  # the builder does not write what the schema has no room for
        assume(condition=False)
        raise


@pytest.mark.parametrize("reader", READERS)
@given(draw=st.data())
def test_tables(reader: str, draw: st.DataObject) -> None:
    """Whatever was hit, or leads elsewhere."""
    file = FILES[draw.draw(st.sampled_from(sorted(FILES)))]
    content = draw.draw(damaged(file) | rewired(file))
    read_or_refused(lambda: READERS[reader](content))


def test_real_files_have_room_for_their_tables() -> None:
    """With those whose constants lie behind them."""
    for file in FILES.values():
        check_tables(file)
