"""The fingerprint tells what decides speed from what does not: one kind of change after the other."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from litert_quantizer.qtyping import QuantGranularity, TFLOperationName
from litert_quantizer.quantizer import Quantizer

from autotune.compress import oneshot, post_training
from autotune.errors import UserError
from autotune.tflite.flatbuffer import describe
from autotune.tflite.structure import structure
from tests.compress import tables

Change = Callable[[Any], None]


@pytest.fixture(scope="module", params=["small", "resnet8"])
def file(request: pytest.FixtureRequest) -> bytes:
    """Float files that begin with a convolution and end in a RESHAPE, a FULLY_CONNECTED and a SOFTMAX."""
    if request.param == "small":
        return tables.small()
    return bytes(request.getfixturevalue("resnet8").with_name("resnet8_float.tflite").read_bytes())


def operator(model: Any, number: int) -> Any:
    return model.subgraphs[0].operators[number]


def tensor(model: Any, number: int, entry: int) -> Any:
    """An input of an operator."""
    return model.subgraphs[0].tensors[operator(model, number).inputs[entry]]


def other_weights(model: Any) -> None:
    random = np.random.default_rng(1)
    for one in model.subgraphs[0].tensors:
        contents = model.buffers[one.buffer]
        if contents.data is not None and one.type == tables.TYPE.FLOAT32:
            contents.data = random.normal(size=len(contents.data) // 4).astype(np.float32).view(np.uint8)


def other_names(model: Any) -> None:
    model.subgraphs[0].name = "other"
    for number, one in enumerate(model.subgraphs[0].tensors):
        one.name = f"other{number}"
    for one in (model.subgraphs[0], *model.subgraphs[0].operators):
        one.debugMetadataIndex = 7


def a_signature(model: Any) -> None:
    model.signatureDefs = [schema.SignatureDefT(inputs=[], outputs=[], signatureKey="other", subgraphIndex=0)]


def remark(name: str, contents: bytes = b"1.5.0") -> Change:
    """Metadata of this name."""

    def change(model: Any) -> None:
        number = tables.buffer(model, np.frombuffer(contents, np.uint8))
        model.metadata = [*(model.metadata or []), schema.MetadataT(name=name, buffer=number)]

    return change


def buffers_in_another_order(model: Any) -> None:
    last = len(model.buffers)
    model.buffers[1:] = reversed(model.buffers[1:])  # the first stands for none
    for one in [*model.subgraphs[0].tensors, *(model.metadata or [])]:
        one.buffer = last - one.buffer if one.buffer else 0


def tensors_in_another_order(model: Any) -> None:
    graph = model.subgraphs[0]
    last = len(graph.tensors) - 1
    graph.tensors.reverse()
    for table in (graph, *graph.operators):
        table.inputs, table.outputs = [[last - index for index in numbers] for numbers in (table.inputs, table.outputs)]


def kinds_in_another_order(model: Any) -> None:
    last = len(model.operatorCodes) - 1
    model.operatorCodes.reverse()
    for one in model.subgraphs[0].operators:
        one.opcodeIndex = last - one.opcodeIndex


def an_unused_tensor(model: Any) -> None:
    tables.tensor(model, (3,))


def ranges(model: Any) -> None:
    tensor(model, 0, 0).quantization = schema.QuantizationParametersT(min=[0.0], max=[255.0])


def known_ranks(model: Any) -> None:
    for one in model.subgraphs[0].tensors:
        one.hasRank = not one.hasRank


SAME: dict[str, Change] = {
    "other weights": other_weights,
    "other names": other_names,
    "a description": lambda model: setattr(model, "description", "other"),
    "a signature": a_signature,
    "metadata": remark("other"),
    "buffers in another order": buffers_in_another_order,
    "tensors in another order": tensors_in_another_order,
    "kinds in another order": kinds_in_another_order,
    "an unused tensor": an_unused_tensor,
    "ranges that were seen": ranges,
    "known ranks": known_ranks,
    "nothing": lambda model: None,
}


def no_last_operator(model: Any) -> None:
    model.subgraphs[0].outputs = model.subgraphs[0].operators.pop().inputs


def another_operator(model: Any) -> None:
    code = model.operatorCodes[operator(model, -1).opcodeIndex]
    code.builtinCode = code.deprecatedBuiltinCode = tables.OPERATOR.LOG_SOFTMAX


def another_version(model: Any) -> None:
    model.operatorCodes[operator(model, -1).opcodeIndex].version = 2


def option(name: str, value: Any, number: int = 0) -> Change:
    return lambda model: setattr(operator(model, number).builtinOptions, name, value)


def field(name: str, value: Any, entry: int = 0) -> Change:
    """Of the convolution's input tensor, or of another one."""
    return lambda model: setattr(tensor(model, 0, entry), name, value)


def no_bias(model: Any) -> None:
    operator(model, 0).inputs = [*operator(model, 0).inputs[:2], -1]


def another_input(model: Any) -> None:
    model.subgraphs[0].inputs = [*model.subgraphs[0].inputs, operator(model, -1).inputs[0]]


def another_output(model: Any) -> None:
    model.subgraphs[0].outputs = operator(model, -1).inputs


def another_graph(model: Any) -> None:
    model.subgraphs.append(copy.deepcopy(model.subgraphs[0]))


def another_form(model: Any) -> None:
    """What RESHAPE is told."""
    tensor(model, -3, 1).buffer = tables.buffer(model, np.array([1, -1], np.int32))


DIFFERENT: dict[str, Change] = {
    "no last operator": no_last_operator,
    "another operator": another_operator,
    "another version": another_version,
    "stride": option("strideW", 3),
    "padding": option("padding", schema.Padding.VALID),
    "fused activation": option("fusedActivationFunction", schema.ActivationFunctionType.RELU6),
    "an option of the last operator": option("beta", 2.0, -1),
    "custom options": lambda model: setattr(operator(model, -1), "customOptions", [1]),
    "shape": field("shape", [1, 16, 16, 3]),
    "shape signature": field("shapeSignature", [-1, -1, -1, 3]),
    "no shape signature": field("shapeSignature", None),
    "type": field("type", tables.TYPE.UINT8),
    "type of a weight": field("type", tables.TYPE.BFLOAT16, 1),
    "a weight that is computed": field("buffer", 0, 1),
    "a variable": field("isVariable", True),
    "no bias": no_bias,
    "another input": another_input,
    "another output": another_output,
    "another graph": another_graph,
    "what RESHAPE is told": another_form,
    "leave to compute in float16": remark("reduced_precision_support", b"fp16accfp32"),
    "leave to compute in bfloat16": remark("reduced_precision_support", b"bf16accfp32"),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_does_not_decide_speed_is_not_in_it(file: bytes, change: Change) -> None:
    """Weights, names, remarks and numbering."""
    assert structure(tables.edited(file, change)) == structure(file)


@pytest.mark.parametrize("change", DIFFERENT.values(), ids=DIFFERENT)
def test_what_may_decide_speed_is_in_it(file: bytes, change: Change) -> None:
    """Each change alone gives another fingerprint."""
    assert structure(tables.edited(file, change)) != structure(file)


def test_changes_do_not_cancel_out(file: bytes) -> None:
    """Nor are any two of these files taken for one another."""
    assert len({structure(tables.edited(file, change)) for change in DIFFERENT.values()}) == len(DIFFERENT)


def test_it_is_a_sha256(file: bytes) -> None:
    """The same at each call."""
    assert structure(file) == structure(file)
    assert len(bytes.fromhex(structure(file))) == 32


def test_pruned_and_clustered_files_share_it(file: bytes) -> None:
    """Zeros and repeated values that are stored like any others."""
    assert structure(oneshot.prune(file, 0.8)) == structure(oneshot.cluster(file, 16)) == structure(file)


def per_tensor(file: bytes) -> bytes:
    quantizer = Quantizer(file)
    quantizer.add_dynamic_config(
        ".*", TFLOperationName.ALL_SUPPORTED, num_bits=8, granularity=QuantGranularity.TENSORWISE
    )
    return bytes(quantizer.quantize(None, False, False).quantized_model or b"")


def test_quantized_files(file: bytes) -> None:
    """Each scheme has a structure of its own, per channel or per tensor, whatever the weights and thus the scales."""
    samples = np.random.default_rng(0).normal(size=(2, *describe(file)["inputs"][0]["shape"][1:])).astype(np.float32)
    retrained = tables.edited(file, other_weights)
    made = []
    for scheme in post_training.SCHEMES:
        one, other = (post_training.quantize(trained, scheme, samples) for trained in (file, retrained))
        assert one != other
        assert structure(one) == structure(other), scheme
        made.append(structure(one))
    made += [structure(per_tensor(file)), structure(file)]
    assert len(set(made)) == len(made)


QUANTIZED: dict[str, Any] = {
    "none": None,
    "per tensor": schema.QuantizationParametersT(scale=[0.1], zeroPoint=[0]),
    "per channel": schema.QuantizationParametersT(scale=[0.1, 0.2, 0.3], zeroPoint=[0, 0, 0]),
    "of another axis": schema.QuantizationParametersT(scale=[0.1] * 3, zeroPoint=[0] * 3, quantizedDimension=3),
}
"""How a convolution's kernel of three channels, in and out, may be quantized."""


def test_granularity_of_quantization() -> None:
    """How many scales, and along which axis; not which ones, nor zero points."""
    quantized = [tables.edited(tables.small(), field("quantization", how, 1)) for how in QUANTIZED.values()]
    assert len({structure(one) for one in quantized}) == len(QUANTIZED)
    other = schema.QuantizationParametersT(scale=[3.0, 2.0, 1.0], zeroPoint=[1, 2, 3], min=[0.0], max=[1.0])
    assert structure(tables.edited(tables.small(), field("quantization", other, 1))) == structure(quantized[2])


@pytest.mark.parametrize("name", ["BlockwiseQuantization", "MultiAxisQuantization"])
def test_blocks_of_quantization(name: str) -> None:
    """Their size, and the type of the tensor that holds their scales."""
    kind = getattr(schema.QuantizationDetails, name)

    def blocks(size: int, dtype: int) -> str:
        def change(model: Any) -> None:
            scales = tables.tensor(model, (3,), np.zeros(3, np.float32), type=dtype)
            details = getattr(schema, f"{name}T")(scales=scales, blockSize=size)
            tensor(model, 0, 1).quantization = schema.QuantizationParametersT(detailsType=kind, details=details)

        return structure(tables.edited(tables.small(), change))

    half, single = tables.TYPE.FLOAT16, tables.TYPE.FLOAT32
    assert len({blocks(32, half), blocks(64, half), blocks(32, single), structure(tables.small())}) == 4


def sparse(values: np.ndarray, kind: str = "Int32", change: Change = lambda sparsity: None) -> str:
    """The structure of a file whose dense layer has these weights without the zeros."""

    def encode(model: Any) -> None:
        tables.encode_sparsely(model, operator(model, -2).inputs[1], values, kind)
        change(tensor(model, -2, 1).sparsity)

    return structure(tables.edited(tables.small(), encode))


def weights(zeros: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    values = np.concatenate([np.zeros(zeros), random.uniform(1, 2, 2560 - zeros)]).astype(np.float32)
    return random.permutation(values).reshape(10, 256)


KINDS = ("Int32", "Uint16", "Uint8")


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_encoding(kind: str) -> None:
    """That it is there, and how many weights are left; not which, nor their values."""
    assert sparse(weights(2000), kind) == sparse(weights(2000, seed=1), kind)
    some, fewer, all_ = (sparse(weights(zeros), kind) for zeros in (2000, 2001, 0))
    assert len({structure(tables.small()), some, fewer, all_}) == 4


SPARSITY: dict[str, Change] = {
    "traversal order": lambda sparsity: setattr(sparsity, "traversalOrder", [1, 0]),
    "block map": lambda sparsity: setattr(sparsity, "blockMap", [1]),
    "format": lambda sparsity: setattr(sparsity.dimMetadata[0], "format", schema.DimensionType.SPARSE_CSR),
    "size": lambda sparsity: setattr(sparsity.dimMetadata[0], "denseSize", 5),
}


@pytest.mark.parametrize("change", SPARSITY.values(), ids=SPARSITY)
def test_form_of_the_sparse_encoding(change: Change) -> None:
    """What the kernels read first."""
    assert sparse(weights(2000), change=change) != sparse(weights(2000))


def test_type_of_sparse_indices() -> None:
    """Narrow ones are read by other code."""
    assert len({sparse(weights(2000), kind) for kind in KINDS}) == len(KINDS)


def sums(*constants: float, once: bool = False) -> bytes:
    """A file that adds each constant to its input, or the first one twice."""
    model = tables.empty()
    entry = tables.tensor(model, (1,))
    for constant in constants:
        number = (
            1 if once and constant != constants[0] else tables.tensor(model, (1,), np.array([constant], np.float32))
        )
        tables.operator(model, tables.OPERATOR.ADD, [entry, number], [tables.tensor(model, (1,))])
    model.subgraphs[0].inputs = [entry]
    return tables.packed(model)


def test_constants_that_happen_to_be_equal() -> None:
    """A converter stores them once, as biases of zero before training."""
    assert structure(sums(1, 2)) == structure(sums(1, 2, once=True))
    assert structure(sums(1, 2)) != structure(sums(1))


def test_intermediate_tensors() -> None:
    """Recurrent operators list them apart: their types belong to it, their numbers don't."""

    def intermediate(before: int, dtype: int) -> str:
        def change(model: Any) -> None:
            numbers = [tables.tensor(model, (1,), type=dtype) for _ in range(before + 1)]
            operator(model, 0).intermediates = numbers[before:]

        return structure(tables.edited(sums(1), change))

    single, integer = tables.TYPE.FLOAT32, tables.TYPE.INT8
    assert intermediate(0, single) == intermediate(1, single)
    assert intermediate(0, single) != intermediate(0, integer)


def test_wiring() -> None:
    """The same operators on the same shapes, of which the second takes the first one's output, or does not."""

    def change(model: Any) -> None:
        operator(model, 1).inputs = [operator(model, 0).outputs[0], operator(model, 1).inputs[1]]

    assert structure(tables.edited(sums(1, 2), change)) != structure(sums(1, 2))


def custom(name: str, options: bytes, *, behind: bool = False) -> str:
    """The structure of a file with one custom operator, whose options may lie behind the tables."""
    model = tables.empty()
    ends = [tables.tensor(model, (1,)) for _ in range(2)]
    made = tables.operator(model, tables.OPERATOR.CUSTOM, ends[:1], ends[1:])
    model.operatorCodes[0].customCode = name
    if not behind:
        made.customOptions = list(options)
        return structure(tables.packed(model))
    made.largeCustomOptionsOffset, made.largeCustomOptionsSize = 1, len(options)
    made.largeCustomOptionsOffset = len(tables.packed(model))
    return structure(tables.packed(model) + options)


def test_custom_operators() -> None:
    """Their names and options, wherever these are."""
    assert len({custom("one", b"a"), custom("two", b"a"), custom("one", b"b")}) == 3
    assert custom("one", b"a", behind=True) != custom("one", b"b", behind=True)


def test_weights_behind_the_tables() -> None:
    """Large files have them there; where they are is no matter."""
    assert structure(tables.behind(tables.small())) == structure(tables.small())


@pytest.mark.parametrize("share", [0, 1e-3, 0.1, 0.5, 0.95])
def test_a_damaged_file_is_refused(file: bytes, share: float) -> None:
    """In one line, wherever it was cut off."""
    with pytest.raises(UserError, match=r"not a whole \.tflite file"):
        structure(file[: int(share * len(file))])


def test_another_kind_of_file_is_refused() -> None:
    """As every reader of these files does."""
    with pytest.raises(UserError, match=r"not a whole \.tflite file"):
        structure(b"PK\x03\x04" + bytes(1000))
