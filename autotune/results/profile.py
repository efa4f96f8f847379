"""Where the time of a .tflite file goes, operator by operator."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from autotune.json_object import JsonObject
from autotune.tflite.facts import Operator


@dataclass(frozen=True)
class OperatorTime:
    """What one operator of a file took.

    Attributes:
        name: as the runtime calls it, such as its output tensor's name.
        kind: of operator, as the runtime calls it.
        time_us: mean of one inference, in microseconds.
        start_us: mean of when it began after the inference did.
        delegate: that ran it, "" for the runtime's own kernels.
    """

    name: str
    kind: str
    time_us: float
    start_us: float
    delegate: str


@dataclass(frozen=True)
class Part:
    """What was timed and the operator of the file that it is; None where either is not known. JSON in and out."""

    time: OperatorTime | None
    operator: Operator | None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:  # Any: as JsonObject
        time, operator = values["time"], values["operator"]
        return cls(
            time and OperatorTime(**time),
            operator and Operator(**{**operator, "output_shape": tuple(operator["output_shape"])}),
        )


@dataclass(frozen=True)
class KeptProfile:
    """What is kept of where a file's time goes. JSON in and out.

    Attributes:
        parts: in the order in which they run.
        untold: why there are no times, "" where there are.
    """

    parts: tuple[Part, ...]
    untold: str

    def to_json(self) -> JsonObject:
        return {"parts": [asdict(part) for part in self.parts], "untold": self.untold}

    @classmethod
    def from_json(cls, values: JsonObject) -> Self:
        """The profile that to_json() gave.

        Raises:
            KeyError, TypeError: it is none.
        """
        return cls(tuple(Part.from_json(part) for part in values["parts"]), values["untold"])
