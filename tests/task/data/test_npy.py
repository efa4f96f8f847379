"""What an .npy file begins with; what is read of damaged ones is tested with the other readers."""

import io

import numpy as np
import pytest

from autotune.task.data.npy import header


@pytest.mark.parametrize(
    "dtype", [np.dtype(np.float32), np.dtype([("image", np.uint8, (3, 2)), ("größe 大", np.int64)])]
)
@pytest.mark.parametrize("sample", [(), (2, 3)])
def test_numpy_reads_what_begins_so(dtype: np.dtype[np.generic], sample: tuple[int, ...]) -> None:
    """Whatever the names of fields; it is as long for any number of samples."""
    values = np.zeros((5, *sample), dtype)
    start = header(values.shape, dtype)
    back = np.load(io.BytesIO(start + values.tobytes()))
    assert (back == values).all()
    assert back.dtype == dtype
    assert {len(header((count, *sample), dtype)) for count in (0, 7, 10**18)} == {len(start)}
    assert len(start) % np.lib.format.ARRAY_ALIGN == 0
