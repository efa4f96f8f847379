"""JSON as Python has it, and dataclasses that are an object of it."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from typing import Any, Self, TypeAlias

JsonObject = dict[str, Any]
"""An object of JSON or a mapping of YAML, as it is read: what a key holds, its writer decides."""

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""Any value of JSON, to be read."""


@dataclass(frozen=True, kw_only=True)
class JsonFields:
    """An object of JSON whose names are fields; of a field that is None there is no name in it.

    Lists become tuples. Objects stay what they are, unless from_json() of a subclass makes something of them.

    Attributes:
        more: what else is in it, by name: what other versions know, what has no value (None).
        order: in which the names stand; those that are not among them come behind.
    """

    more: Mapping[str, Json] = field(default_factory=dict)
    order: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names that are fields."""
        return tuple(each.name for each in fields(cls) if each.name not in ("more", "order"))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:  # Any: as JsonObject
        """The object that to_json() gave, of this version or another.

        Raises:
            ValueError: it lacks a name that has no default; says which.
        """
        names = cls.names()
        mine = {name: value for name, value in values.items() if name in names and value is not None}
        check_names(cls, mine)
        more = {name: value for name, value in values.items() if name not in mine}
        arguments = {name: tuple(value) if isinstance(value, list) else value for name, value in mine.items()}
        return cls(more=more, order=tuple(values), **arguments)

    def to_json(self) -> JsonObject:
        """JSON with every name that from_json() was given."""
        mine = {name: getattr(self, name) for name in self.names()}
        values = {name: as_json(value) for name, value in mine.items() if value is not None} | dict(self.more)
        return {name: values[name] for name in dict.fromkeys((*self.order, *values)) if name in values}


def check_names(kind: type, values: Mapping[str, object]) -> None:
    """Refuses an object of JSON that lacks names of a dataclass.

    Args:
        kind: the dataclass.
        values: the object.

    Raises:
        ValueError: says which.
    """
    required = [each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING]
    if missing := [name for name in required if name not in values]:
        raise ValueError(f"no {', '.join(missing)}")


def as_json(value: object) -> Json:
    """What a field of a dataclass is in JSON: tuples are lists, and dataclasses objects."""
    if isinstance(value, JsonFields):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        return as_json(asdict(value))
    if isinstance(value, tuple):
        return [as_json(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): as_json(each) for name, each in value.items()}
    assert value is None or isinstance(value, bool | int | float | str | list), f"{value!r} is no JSON"
    return value
