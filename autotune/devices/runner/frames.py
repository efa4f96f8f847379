"""What goes between a driver and its runner: JSON objects, and bytes after them."""

import json
from typing import IO, Any

Message = dict[str, Any]
"""A JSON object: a request, or what is answered."""

LONGEST = 1 << 26
"""Bytes of a line: ten minutes of single times take less."""

MOST_BYTES = 1 << 32
"""After it: models and outputs."""


def read_frame(stream: IO[bytes], most: int = MOST_BYTES) -> "tuple[Message, bytes] | None":
    """The next object and its bytes, None at the end of the stream.

    Raises:
        ValueError: what comes is none, or has no end in sight.
    """
    line = stream.readline(LONGEST)
    if not line.endswith(b"\n"):
        if len(line) == LONGEST:
            raise ValueError(f"no line ends within {LONGEST} bytes")
        return None
    try:
        header = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    size = header.get("bytes", 0) if isinstance(header, dict) else None
    if type(size) is not int or not 0 <= size <= most:
        raise ValueError(f"no JSON object, or too many bytes after it: {line[:80]!r}")
    data = bytearray()
    while len(data) < size:
        part = stream.read(min(size - len(data), 1 << 20))  # room is made for what comes, not for what is said
        if not part:
            return None
        data += part
    return header, bytes(data)


def write_frame(stream: IO[bytes], header: Message, data: bytes = b"") -> None:
    """Writes an object and bytes."""
    stream.write(json.dumps({**header, "bytes": len(data)} if data else header).encode() + b"\n" + data)
    stream.flush()
