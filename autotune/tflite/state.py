"""What a .tflite file keeps from one inference to the next."""

from typing import Literal

from ai_edge_litert import schema_py_generated as schema

State = Literal["", "variables", "resources"]
"""variables: variable tensors, as LiteRT's own LSTM has; Interpreter.reset_all_variables() sets them to zero.
resources: resource variables, as streaming models have; they begin anew in a fresh interpreter only.
"" for what keeps nothing.
"""

KEEPS = "keeps state from one inference to the next; its numbers are with that reset before each sample"
"""What there is to say of a model with such a file."""


def state(file: bytes) -> State:
    """What the file keeps; "resources" where it has both kinds.

    Args:
        file: a .tflite file. Of what is none "" is said: LiteRT refuses it.
    """
    try:
        model = schema.Model.GetRootAs(file)
        codes = [model.OperatorCodes(index) for index in range(model.OperatorCodesLength())]
        if any(code.BuiltinCode() == schema.BuiltinOperator.VAR_HANDLE for code in codes):
            return "resources"
        graphs = [model.Subgraphs(index) for index in range(model.SubgraphsLength())]
        varies = any(graph.Tensors(index).IsVariable() for graph in graphs for index in range(graph.TensorsLength()))
        return "variables" if varies else ""
    except Exception:  # noqa: BLE001  # broken offsets end in whatever they happen to point at
        return ""
