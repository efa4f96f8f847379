"""What goes between a driver and its runner: JSON objects, and bytes after them."""

import json
from typing import IO, Any


def read_frame(stream: IO[bytes]) -> "tuple[dict[str, Any], bytes] | None":
    """The next object and its bytes, None at the end of the stream."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    header = json.loads(line)
    if not isinstance(header, dict):
        raise ValueError(f"no JSON object: {line[:80]!r}")
    data = stream.read(header.get("bytes", 0))
    return None if len(data) < header.get("bytes", 0) else (header, data)


def write_frame(stream: IO[bytes], header: dict[str, Any], data: bytes = b"") -> None:
    """Writes an object and bytes."""
    stream.write(json.dumps({**header, "bytes": len(data)} if data else header).encode() + b"\n" + data)
    stream.flush()
