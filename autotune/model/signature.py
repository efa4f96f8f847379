"""What a model takes and gives, held against what can be tuned."""

from autotune.errors import UserError

Shape = list[int | None]
"""With the batch; None for a dimension that is not fixed."""


def check_signature(inputs: list[Shape | None], outputs: list[Shape | None]) -> None:
    """Raises where a model has several inputs or outputs, or shapes that are not fixed.

    Args:
        inputs: their shapes, None for an unknown rank.
        outputs: likewise; an unknown rank is left to be seen.

    Raises:
        UserError: one line without the model's name.
    """
    if len(inputs) != 1 or len(outputs) != 1:
        raise UserError(f"has {len(inputs)} inputs and {len(outputs)} outputs; one of each is supported")
    shape = inputs[0]
    output = outputs[0]
    if shape is None or None in shape[1:]:
        shown = tuple(shape[1:]) if shape else "of unknown rank"
        raise UserError(f"input shape {shown} is not fixed; rebuild the model with a fixed one")
    if shape[:1] not in ([None], [1]):
        raise UserError(
            f"takes batches of {shape[0] if shape else 'no'} samples only; rebuild it for batches of any size"
        )
    if output is not None and None in output[1:]:
        raise UserError(f"output shape {tuple(output[1:])} is not fixed; rebuild the model with a fixed one")
