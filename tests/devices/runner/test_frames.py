"""Frames, as they go through pipes."""

import io

import pytest

from autotune.devices.runner.frames import read_frame, write_frame

REQUEST = {"do": "facts"}


@pytest.mark.parametrize("data", [b"", b"\n{}\n\0"])
def test_frames_come_as_they_went(data: bytes) -> None:
    """Whatever bytes are in them, and one after the other."""
    stream = io.BytesIO()
    write_frame(stream, {"do": "put", "text": "ä\n"}, data)
    write_frame(stream, REQUEST)
    stream.seek(0)
    first = read_frame(stream)
    assert first is not None
    assert (first[0]["text"], first[1]) == ("ä\n", data)
    assert read_frame(stream) == (REQUEST, b"")
    assert read_frame(stream) is None


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_half_a_frame_is_none(cut: int) -> None:
    """A connection that ended in the middle of it."""
    stream = io.BytesIO()
    write_frame(stream, {"do": "put"}, b"0123456789")
    assert read_frame(io.BytesIO(stream.getvalue()[:cut])) is None
