"""Which custom operators the installed LiteRT has: found by trying each, since it has no list of them.

As a program it opens the file that it is given on standard input.
"""

import re
import subprocess
import sys
from collections.abc import Collection

from ai_edge_litert import schema_py_generated as schema

_MISSING = re.compile("unresolved custom op|Select TensorFlow op", re.IGNORECASE)
"""What the interpreter says of a custom operator, and of one of TensorFlow's, that it has no code for."""


def missing(file: bytes, names: Collection[str]) -> list[str]:
    """Custom operators of a file that LiteRT has not.

    Each is opened by itself, in a process of its own: one that is there may end it natively, over options that it
    does not like.

    Args:
        file: a whole .tflite file.
        names: of custom operators in it.
    """
    return [name for name in names if not _opens(_alone(file, name))]


def _alone(file: bytes, name: str) -> bytes:
    """A file of the first operator of this name, with its options and the types of what it takes and gives."""
    model = schema.ModelT.InitFromPackedBuf(file, 0)
    graph, operator = next(
        (graph, operator)
        for graph in model.subgraphs
        for operator in graph.operators
        if (model.operatorCodes[operator.opcodeIndex].customCode or b"").decode() == name
    )
    for tensor in graph.tensors:
        tensor.buffer = 0
        tensor.sparsity = None
    inputs = [index for index in operator.inputs if index >= 0]
    only = schema.SubGraphT(tensors=graph.tensors, inputs=inputs, outputs=operator.outputs, operators=[operator])
    builder = schema.flatbuffers.Builder()
    alone = schema.ModelT(
        version=model.version, operatorCodes=model.operatorCodes, subgraphs=[only], buffers=[schema.BufferT()]
    )
    builder.Finish(alone.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _opens(file: bytes) -> bool:
    """Whether LiteRT has the operators of a file, whatever else it says of it."""
    ended = subprocess.run([sys.executable, "-P", __file__], input=file, capture_output=True, check=False)
    return _MISSING.search(ended.stderr.decode(errors="replace")) is None


def _main() -> None:
    from ai_edge_litert.interpreter import Interpreter

    Interpreter(model_content=sys.stdin.buffer.read()).allocate_tensors()


if __name__ == "__main__":
    _main()
