"""What a study was started with, as its journal keeps it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from autotune.json_object import JsonFields, JsonObject, check_names
from autotune.targets.metric import CODECS, Metric
from autotune.targets.objectives import USUAL


@dataclass(frozen=True)
class DeviceFacts(JsonFields):
    """What there is to know about a device. None, or no name at all, for what it does not tell.

    Attributes:
        device: its name.
        machine: architecture of its processor.
        system: its operating system.
        cpu: its processor's name.
        cores: that files may use.
        memory_bytes: of main memory in all.
        governor: of the processor's frequency.
        runtime: the package that runs files.
        litert: the version of that.
        load: cores that were busy when it was asked, on average of the last minute.
        cpus: numbers of those that files are run on, where not on all.
        emulated: whether its times are an emulator's.
    """

    device: str
    machine: str | None = None
    system: str | None = None
    cpu: str | None = None
    cores: int | None = None
    memory_bytes: int | None = None
    governor: str | None = None
    runtime: str | None = None
    litert: str | None = None
    load: float | None = None
    cpus: tuple[int, ...] | None = None
    emulated: bool | None = None


@dataclass(frozen=True, kw_only=True)
class StudyOptions(JsonFields):
    """What a study's user asked for, as far as models and data depend on it. None for what was not kept.

    Attributes:
        model: paths of the candidates, the first of which is the baseline.
        data: where it is, as data.located() gives it.
        validation_share: of the test samples that became validation, where there was none; None for a study that is
            older than it.
        device: what finds it again, likewise.
        space: where it is from.
        loss: its name, or the place of the user's own.
        metric: likewise.
        seed: of splits, shuffles and the sampler.
        excluded: names of layers, or patterns of them, that were left alone; None as above.
        codec: under which a file is its download; None as above.
        train_samples: that the search learned from; None for all.
    """

    model: tuple[str, ...] | None = None
    data: str | None = None
    validation_share: float | None = None
    device: str | None = None
    space: str | None = None
    loss: str | None = None
    metric: str | None = None
    seed: int | None = None
    excluded: tuple[str, ...] | None = None
    codec: str | None = None
    train_samples: int | None = None
    shape: tuple[str, ...] | None = None
    signature: str | None = None


@dataclass(frozen=True)
class Identity(JsonFields):
    """What makes a study this one and no other: names, and fingerprints (64 hex digits) of what has none.

    Attributes:
        data: fingerprint of the splits.
        metric: its name, or the fingerprint of the user's own.
        model: fingerprint of the models as they were opened.
        space: fingerprint.
        files: fingerprint of the part of the space that makes files; None for a study that is older than it.
        targets: fingerprint of their texts.
        objectives: their names.
        loss: its name, or the fingerprint of the user's own.
        seed: of splits, shuffles and the sampler.
        device: its name.
        exclude: names of layers, or patterns of them, that are left alone.
        codec: under which a file is its download.
        train_samples: that the search learns from; None for all.
    """

    data: str | None = None
    metric: str | None = None
    model: str | None = None
    space: str | None = None
    files: str | None = None
    targets: str | None = None
    objectives: tuple[str, ...] = USUAL
    loss: str | None = None
    seed: int | None = None
    device: str | None = None
    exclude: tuple[str, ...] | None = None
    codec: str = CODECS[0]
    train_samples: int | None = None

    def changes(self, other: Self) -> list[str]:
        """The names under which another study's differs."""
        return [name for name in self.names() if getattr(self, name) != getattr(other, name)]


@dataclass(frozen=True)
class SplitFacts(JsonFields):
    """What tells a split from others. None for what was not kept.

    Attributes:
        samples: number of them.
        shape: of its inputs, with the number of samples.
        fingerprint: 64 hex digits.
    """

    samples: int | None = None
    shape: tuple[int, ...] | None = None
    fingerprint: str = ""


@dataclass(frozen=True)
class DataFacts(JsonFields):
    """What tells a study's data from others.

    Attributes:
        name: of its file or data set.
        splits: by their names; none for a study that is older than them.
    """

    name: str = ""
    splits: Mapping[str, SplitFacts] = field(default_factory=dict)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:  # Any: as JsonObject
        splits = {name: SplitFacts.from_json(split) for name, split in values.get("splits", {}).items()}
        return super().from_json({**values, "splits": splits})


@dataclass(frozen=True)
class InputTypes(JsonFields):
    """The types of a model's input.

    Attributes:
        taken: the type that the model takes.
        given: that of the data as the model gets it.
    """

    taken: str = "float32"
    given: str = "float32"


@dataclass(frozen=True, kw_only=True)
class Meta(JsonFields):
    """What a study was started with.

    Attributes:
        format: of what its journal holds; 0 before there were such.
        versions: of the packages that it was begun with.
        id: that no other study has.
        seed: of splits, shuffles and the sampler.
        quality: the metric that models are judged by.
        data: what it is.
        inputs: of the models, by their names in recipes.
        targets: their texts.
        objectives: names of what its front is made of.
        device: that it is measured on, as it was when the study began.
        options: that its user gave.
        identity: by which a later run with its name is the same study, or not.
    """

    format: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    seed: int = 0
    quality: Metric
    data: DataFacts = field(default_factory=DataFacts)
    inputs: Mapping[str, InputTypes] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    objectives: tuple[str, ...] = USUAL
    device: DeviceFacts
    options: StudyOptions = field(default_factory=StudyOptions)
    identity: Identity = field(default_factory=Identity)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:  # Any: as JsonObject
        """The meta that to_json() gave, of this version or another.

        Raises:
            ValueError: it can't be understood; says in a line what is missing or wrong.
        """
        objects = {}
        for name, read in _READ.items():
            if values.get(name) is not None:
                try:
                    objects[name] = read(values[name])
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    raise ValueError(f"{name}: {error}") from error
        return super().from_json({**values, **objects})


def _metric(values: JsonObject) -> Metric:
    check_names(Metric, values)
    return Metric(**values)


def _inputs(values: JsonObject) -> dict[str, InputTypes]:
    return {name: InputTypes.from_json(types) for name, types in values.items()}


_READ: dict[str, Callable[[JsonObject], object]] = {
    "quality": _metric,
    "data": DataFacts.from_json,
    "inputs": _inputs,
    "device": DeviceFacts.from_json,
    "options": StudyOptions.from_json,
    "identity": Identity.from_json,
}
"""How the names of a study's meta are read that hold objects."""
