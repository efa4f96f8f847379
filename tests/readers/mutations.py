"""What may have become of a file on its way: strategies that damage bytes, archives and trees of plain values."""

import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

EXTREMES = [b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xff" * 8]
"""Contents of header fields at which readers stumble: none, all, the largest and the smallest that have a sign."""

ODD_NUMBERS = st.sampled_from([0, -1, 1, 2**31, 2**63, 10**30, 10**400, 1e308, 5e-324, float("inf"), float("nan"), 0.5])
ODD_TEXTS = st.sampled_from(
    ["", " ", "\0", "\n", "a" * 5000, "[brackets]", "../..", "é", "{}", "1e5", "nan", "-"]
) | st.text(max_size=8)
LEAVES = st.none() | st.booleans() | ODD_NUMBERS | ODD_TEXTS
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD_TEXTS, inner, max_size=3), max_leaves=6
)
"""Anything that JSON can say, and a little more."""


@st.composite
def damaged(draw: st.DrawFn, content: bytes, most: int = 3) -> bytes:
    """A file of which a few places were hit: bits flipped, fields at extremes, runs cut out, put in, or swapped."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        to = min(len(data), at + draw(st.integers(1, 64)))
        match draw(st.sampled_from(["flip", "extreme", "cut", "remove", "insert", "repeat", "swap"])):
            case "flip" if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "extreme":
                value = draw(st.sampled_from(EXTREMES))
                data[at : at + len(value)] = value
            case "cut":
                del data[at:]
            case "remove":
                del data[at:to]
            case "insert":
                data[at:at] = draw(st.binary(max_size=16)) * draw(st.integers(1, 8))
            case "repeat":
                data[at:at] = data[at:to]
            case "swap":
                other = draw(st.integers(0, at))
                data[other:to] = data[at:to] + data[other:at]
    return bytes(data)


@st.composite
def archived(draw: st.DrawFn, members: Mapping[str, bytes]) -> bytes:
    """A zip archive in which some of these members are damaged, missing, there twice or called otherwise."""
    stream = io.BytesIO()
    kinds = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    with zipfile.ZipFile(stream, "w", draw(st.sampled_from(kinds))) as archive:
        for name, content in members.items():
            match draw(st.sampled_from(["keep"] * 4 + ["damage", "empty", "drop", "twice", "rename", "other"])):
                case "damage":
                    archive.writestr(name, draw(damaged(content)))
                case "empty":
                    archive.writestr(name, b"")
                case "drop":
                    pass
                case "twice":
                    archive.writestr(name, content)
                    archive.writestr(name, draw(damaged(content)))
                case "rename":
                    archive.writestr(draw(st.sampled_from(["/", "/etc/x", "../x", name[:-1], name + ".npy"])), content)
                case "other":
                    archive.writestr(name, draw(st.sampled_from(sorted(members.values()))))
                case _:
                    archive.writestr(name, content)
    return stream.getvalue()


@st.composite
def reshaped(draw: st.DrawFn, tree: Any, values: st.SearchStrategy[Any] = VALUES) -> Any:
    """A tree of dictionaries, lists and plain values in which one node became another, went, or moved a level down."""
    if not isinstance(tree, dict | list) or not tree or draw(st.integers(0, 5)) == 0:
        return draw(values)
    if isinstance(tree, list):
        at = draw(st.integers(0, len(tree) - 1))
        change: Callable[[], list[Any]] = draw(
            st.sampled_from(
                [lambda: [draw(reshaped(tree[at], values))], list, lambda: [tree[at]] * 2, lambda: [[tree[at]]]]
            )
        )
        return [*tree[:at], *change(), *tree[at + 1 :]]
    key = draw(st.sampled_from(sorted(tree, key=str)))
    rest = {name: value for name, value in tree.items() if name != key}
    match draw(st.sampled_from(["change", "change", "change", "drop", "rename", "add", "wrap"])):
        case "drop":
            return rest
        case "rename":
            return rest | {draw(ODD_TEXTS): tree[key]}
        case "add":
            return tree | {draw(ODD_TEXTS): draw(values)}
        case "wrap":
            return rest | {key: {key: tree[key]}}
    return tree | {key: draw(reshaped(tree[key], values))}
