"""Indices in a study's samples, such as ids of tokens, held against the rows that its models have for them."""

from collections.abc import Iterable

from autotune.errors import UserError
from autotune.model.indices import rows
from autotune.study.candidates import Candidate
from autotune.task.data.fields import parts


def check_indices(candidates: Iterable[Candidate]) -> None:
    """Refuses indices without a row, over which an inference would fail.

    Args:
        candidates: opened. Inputs that go into no embedding as they are take whatever there is.

    Raises:
        UserError: a sample has one.
    """
    for candidate in candidates:
        data = candidate.task.data
        samples = {"train": data.train.x, "validation": data.validation.x, "test": data.test.x}
        if data.calibration is not None:
            samples["calibration"] = data.calibration
        for name, count in rows(candidate.base).items():
            for split, x in samples.items():
                columns = parts(x)
                values = columns[name if len(columns) > 1 else ""]
                lowest, highest = values.min(), values.max()
                if lowest < 0 or highest >= count:
                    index = lowest if lowest < 0 else highest
                    raise UserError(
                        f"data {data.source}: {split} samples of {name!r} hold index {index:g}, "
                        f"the model's embedding has {count} rows"
                    )
