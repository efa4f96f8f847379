"""What a file's inputs and outputs are called, in the order in which an interpreter lists them."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `import autotune` comes by here, and does without NumPy
    from ai_edge_litert import schema_py_generated as schema


@dataclass(frozen=True)
class Ends:
    """Names of a model's inputs and outputs.

    Converters sort inputs and outputs as they like: it is their names that stay.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    signature: str = field(default="", compare=False)
    """The key of the signature that has them, "" where there is none."""

    @property
    def input_fields(self) -> tuple[str, ...]:
        """As task.data.fields has them: a single one has no name."""
        return self.inputs if len(self.inputs) > 1 else ("",)

    @property
    def output_fields(self) -> tuple[str, ...]:
        """Likewise."""
        return self.outputs if len(self.outputs) > 1 else ("",)


def ends_of(model: "schema.ModelT") -> Ends:
    """The names by which a file's signature knows its tensors, else those of the tensors, in letters of Keras's names.

    Args:
        model: the file's tables; of several signatures the first counts.
    """
    graph = model.subgraphs[0]
    signature = next(iter(model.signatureDefs or ()), None)

    def names(tensors: list[int], signed: "list[schema.TensorMapT]") -> tuple[str, ...]:
        aliases = {int(each.tensorIndex): each.name.decode() for each in signed}
        own = {index: (graph.tensors[index].name or b"").decode() for index in map(int, tensors)}
        return tuple(_plain(aliases.get(index, name)) for index, name in own.items())

    return Ends(
        names(graph.inputs, signature.inputs or [] if signature else []),
        names(graph.outputs, signature.outputs or [] if signature else []),
        signature.signatureKey.decode() if signature else "",
    )


def _plain(name: str) -> str:
    """A name that a converter may have decorated, so that a file made of the file's model has the same one."""
    return re.sub("[^A-Za-z0-9_]", "_", name.removeprefix("serving_default_").removesuffix(":0"))
