"""What there is to say of a .tflite file, as JSON has it."""

from collections import Counter
from dataclasses import dataclass
from typing import TypedDict

from autotune.tflite.activation import Activation
from autotune.tflite.ends import Ends


@dataclass(frozen=True)
class Operator:
    """One operator, in one inference.

    Attributes:
        name: of its first output tensor, "" where it has none.
        kind: as CONV_2D, or a custom operator's name.
        macs: multiply-accumulates with the weights (or of two matrices), those with padding and with
            zeros of sparse weights among them; 0 for what has none, as pooling, and for what is not
            known: custom operators, STABLEHLO_*, and a recurrent one's products of single values.
        parameters: number of its constant weights, biases among them; not shapes or axes.
        weight_bytes: what these take in the file: 4-bit ones half a byte each, sparse ones their
            values and indices.
        activation_bytes: of inputs and outputs that are computed; 0 for strings and resources.
        output_shape: of its first output, with the batch; dimensions that are dynamic are 1 in most files.
        output_dtype: of its first output, as float32.
    """

    name: str
    kind: str
    macs: int
    parameters: int
    weight_bytes: int
    activation_bytes: int
    output_shape: tuple[int, ...]
    output_dtype: str


class TensorFacts(TypedDict):
    """A tensor.

    Attributes:
        name: of the tensor.
        shape: with the batch; a dimension that is dynamic is 1.
        shape_signature: the same, but -1 for a dimension that is dynamic.
        dtype: of LiteRT's types, in small letters.
    """

    name: str
    shape: list[int]
    shape_signature: list[int]
    dtype: str


class LayerKind(TypedDict):
    """What computes with a tensor of weights, and how many they are.

    Attributes:
        operator: its kind, as CONV_2D.
        dtype: of the weights: float32, float16, int8, int4 or uint8.
        weights: their number.
    """

    operator: str
    dtype: str
    weights: int


class LayerFacts(LayerKind):
    """A tensor of weights, as an operator uses it.

    Attributes:
        name: of the tensor.
        shape: of the weights.
        sparsity: share of exact zeros, 0 to 1.
        distinct: the largest number of distinct values in one output channel: per-channel scales, and batch
            normalisation folded into the kernel, multiply a layer's shared values channel by channel.
    """

    name: str
    shape: list[int]
    sparsity: float
    distinct: int


class FileFacts(TypedDict):
    """What a file takes, gives and needs.

    Attributes:
        inputs: of its main graph.
        outputs: likewise.
        ends: what they are called.
        signatures: their names.
        custom_operators: names of operators that are not LiteRT's own, sorted.
        quantized: whether some tensor is quantized or in float16 already.
        activations: what the values of each output are.
        operators: how often each kind is used.
    """

    inputs: list[TensorFacts]
    outputs: list[TensorFacts]
    ends: Ends
    signatures: list[str]
    custom_operators: list[str]
    quantized: bool
    activations: list[Activation]
    operators: Counter[str]
