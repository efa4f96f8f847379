"""What a model takes and gives, held against what can be tuned."""

from collections.abc import Mapping

from autotune.errors import UserError

Shape = list[int | None]
"""With the batch; None for a dimension that is not fixed."""


def check_signature(inputs: Mapping[str, Shape | None], outputs: Mapping[str, Shape | None]) -> None:
    """Raises where a model has no inputs or outputs, or shapes that are not fixed.

    Args:
        inputs: their shapes by name, None for an unknown rank.
        outputs: likewise; an unknown rank is left to be seen.

    Raises:
        UserError: one line without the model's name.
    """
    if not inputs or not outputs:
        raise UserError(f"has {len(inputs)} inputs and {len(outputs)} outputs; at least one of each is needed")
    for name, shape in inputs.items():
        if shape is None or None in shape[1:]:
            shown = _shown(name, shape and shape[1:], inputs)
            raise UserError(f"input shape {shown} is not fixed; say one with --shape, or rebuild the model")
        if shape[:1] not in ([None], [1]):
            raise UserError(
                f"takes batches of {shape[0] if shape else 'no'} samples only; rebuild it for batches of any size"
            )
    if len({shape[0] for shape in inputs.values() if shape}) > 1:
        raise UserError("takes batches of any size for some inputs and of one sample for others; rebuild it alike")
    for name, shape in outputs.items():
        if shape is not None and None in shape[1:]:
            shown = _shown(name, shape[1:], outputs)
            raise UserError(f"output shape {shown} is not fixed; say one with --shape, or rebuild the model")


def _shown(name: str, shape: Shape | None, ends: Mapping[str, Shape | None]) -> str:
    """A shape without the batch, and which of several inputs or outputs has it."""
    rank = "of unknown rank" if shape is None else str(tuple(shape))
    return f"{rank} of {name!r}" if len(ends) > 1 else rank
