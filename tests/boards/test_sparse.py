"""The pair of files of which Arm runs one faster: that they are twins, but for the encoding."""

from pathlib import Path

from autotune.tflite.flatbuffer import describe, read_layers
from tests.boards.sparse import BLOCKS, SPARSE


def test_the_pair_differs_in_the_encoding_alone(pair: tuple[Path, Path]) -> None:
    """The same operators and shapes; zeros and their encoding in the 1x1 convolutions of one."""
    dense, sparse = (path.read_bytes() for path in pair)
    operators = describe(sparse)["operators"]
    assert operators.pop("DENSIFY") == BLOCKS
    assert operators == describe(dense)["operators"]
    shapes = []
    for file in (dense, sparse):
        layers = read_layers(file)
        shapes.append([(layer.operator, layer.values.shape) for layer in layers])
        pointwise = [layer for layer in layers if layer.operator == "CONV_2D" and layer.values.shape[1:3] == (1, 1)]
        assert [layer.sparse for layer in pointwise] == [file is sparse] * BLOCKS
        zeros = [float((layer.values == 0).mean()) for layer in pointwise]
        assert min(zeros) >= SPARSE.prune - 0.01 if file is sparse else max(zeros) < 0.01
    assert shapes[0] == shapes[1]
