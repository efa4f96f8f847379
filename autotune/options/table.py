"""What a run can be told: each option once, for the command line, experiment files and the Python API alike."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from os import PathLike
from typing import Any

from autotune.options.numbers import duration, jobs, natural, positive, share, whole
from autotune.targets.metric import CODECS, JUDGED, QUALITIES

MODELS = "a .keras, .h5 or .tflite file, or a SavedModel folder"
"""What a model may be, for help and messages."""

DATA = "an .npz file, a folder of class folders of images, tfds:NAME or FILE.py:FUNCTION"
"""Likewise."""

LOCAL = "local"
DEVICE = f"{LOCAL} (default), ssh:HOST, adb, adb:SERIAL, a device file, or the name of one in devices/"
TRACKING = "sqlite:///mlflow.db"
"""The store of MLflow where neither an option nor the environment names one; a bare `mlflow ui` looks there, too."""


@dataclass(frozen=True)
class Kind:
    """What an option's values are.

    Attributes:
        types: as an experiment file may give it.
        number: reads one from a text, raises argparse.ArgumentTypeError; None where it is no number.
        several: whether it is a list, which the command line has by repeating the option.
    """

    types: tuple[type, ...]
    number: Callable[[str], float] | None = None
    several: bool = False


TEXT = Kind((str,))
TEXTS = Kind((list,), several=True)
TEXT_OR_TEXTS = Kind((str, list), several=True)
TEXT_OR_MAPPING = Kind((str, dict))
SWITCH = Kind((bool,))


@dataclass(frozen=True)
class Option:
    """An option of a run.

    Attributes:
        name: in Python and in experiment files.
        kind: of its values.
        help: for the command line.
        default: None where it is left open, or there is no run without it.
        flag: on the command line; "" for a word without one.
        metavar: what stands for its value there, None for its name.
        in_files: whether an experiment file may say it: not what is this machine's or this call's.
    """

    name: str
    kind: Kind
    help: str
    default: object
    flag: str
    metavar: str | None
    in_files: bool


def _spelled(
    kind: Kind, help: str, *, flag: str | None = None, metavar: str | None = None, in_files: bool = True
) -> dict[str, object]:
    """Of a field of RunOptions what Option has more; help may have {default}, the flag is the name unless given."""
    return {"kind": kind, "help": help, "flag": flag, "metavar": metavar, "in_files": in_files}


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """What a run can't do without, and what there is to choose from; first on the command line."""

    experiment: str | None = field(
        default=None,
        metadata=_spelled(
            TEXT,
            "a file with any of the options below; a shipped one by its name",
            flag="",
            metavar="EXPERIMENT.yaml",
            in_files=False,
        ),
    )
    model: tuple[str | PathLike[str], ...] = field(
        metadata=_spelled(
            TEXT_OR_TEXTS,
            f"{MODELS}; repeated: candidates, the first the baseline",
        )
    )
    data: str | PathLike[str] = field(metadata=_spelled(TEXT, DATA))
    space: str | Mapping[str, object] = field(
        default="full",
        metadata=_spelled(
            TEXT_OR_MAPPING,
            "search space: a YAML file (docs/spaces.md), or one of the above by its name (default: {default})",
        ),
    )
    device: tuple[str, ...] = field(
        default=(LOCAL,),
        metadata=_spelled(
            TEXT_OR_TEXTS,
            f"to measure on: {DEVICE}; repeated: what is built for the first is measured on the others, too",
        ),
    )
    targets: tuple[str, ...] = field(
        default=(),
        metadata=_spelled(TEXTS, 'to meet, such as "latency<50ms"; may be repeated', flag="--target", metavar="EXPR"),
    )
    objectives: tuple[str, ...] = field(
        default=(),
        metadata=_spelled(
            TEXTS,
            "that the front weighs: quality, latency, size, download or memory; may be repeated (default: as below)",
            flag="--objective",
            metavar="NAME",
        ),
    )


@dataclass(frozen=True, kw_only=True)
class AsSaid:
    """What a study has as it was said; see study.options.Options, which inherits it.

    Attributes:
        codec: under which a file is its download, one of CODECS.
        trials: of the study in all, those of earlier runs included.
        patience: trials without a better front after which the search ends, None for no end.
        timeout: seconds after which nothing new is begun, None for no limit.
        seed: of splits, shuffles and the sampler.
        loss, metric: None where model and labels shall say.
        validation_share: of the test samples that becomes validation, where there is none.
        train_samples: that the search learns from, None for all.
        exclude: names of layers, or patterns of them, to leave alone.
        shape, signature: as model.opening.Opening.parse() takes them.
    """

    codec: str = field(
        default=CODECS[0],
        metadata=_spelled(
            TEXT, f"that files are downloaded under: {{default}} (default), {', '.join(CODECS[1:])}", metavar="NAME"
        ),
    )
    trials: int = field(
        default=60,
        metadata=_spelled(
            Kind((int,), positive),
            "files to build and measure in all, those of earlier runs included (default: {default})",
        ),
    )
    patience: int | None = field(
        default=15,
        metadata=_spelled(
            Kind((int,), positive), "end after so many trials without a better front (default: {default})"
        ),
    )
    timeout: float | None = field(
        default=None,
        metadata=_spelled(
            Kind((float,), duration),
            "begin nothing new after this: 90s, 10m, 2h",
            metavar="TIME",
            in_files=False,
        ),
    )
    seed: int = field(
        default=0,
        metadata=_spelled(Kind((int,), natural), "of splits, shuffles and sampling (default: {default})"),
    )
    loss: str | None = field(
        default=None,
        metadata=_spelled(
            TEXT,
            "where model and labels don't say: sparse_categorical_crossentropy, mse, …; of several outputs "
            "OUTPUT=LOSS,OUTPUT=LOSS*WEIGHT",
        ),
    )
    metric: str | None = field(
        default=None,
        metadata=_spelled(
            TEXT,
            f"{', '.join(QUALITIES)}, where K is any number, of one of several outputs as OUTPUT=METRIC; or of all "
            f"{', '.join(JUDGED)}, with their settings as docs/tasks.md has them",
        ),
    )
    validation_share: float = field(
        default=0.5,
        metadata=_spelled(
            Kind((float,), share),
            "of the test samples that the search may see, where there is no validation split (default: {default})",
            metavar="SHARE",
        ),
    )
    train_samples: int | None = field(
        default=None,
        metadata=_spelled(
            Kind((int,), whole(1, 1_000_000_000)),
            "that trainings learn from in the search; the front is trained again on all (default: all)",
            metavar="N",
        ),
    )
    exclude: tuple[str, ...] = field(
        default=(),
        metadata=_spelled(TEXTS, "neither prune, cluster nor quantize it; *, may be repeated", metavar="LAYER"),
    )
    shape: tuple[str, ...] = field(
        default=(),
        metadata=_spelled(
            TEXTS,
            "of an input whose model leaves it open: NAME=1,128,8, of the only input 1,128,8; may be repeated",
            metavar="SHAPE",
        ),
    )
    signature: str | None = field(
        default=None,
        metadata=_spelled(TEXT, "the one that is meant, of a SavedModel or .tflite file with several", metavar="NAME"),
    )

    def as_said(self) -> dict[str, Any]:  # of the fields' own types
        """The values of these fields alone, by name."""
        return {each.name: getattr(self, each.name) for each in fields(AsSaid)}


@dataclass(frozen=True, kw_only=True)
class RunOptions(AsSaid, _Inputs):
    """What a run is told, as it was written, with the defaults of what was not.

    A model and data of the caller's process are paths to be. See study.options.Options for what comes of it.
    """

    sampler: str = field(
        default="ehvi",
        metadata=_spelled(
            TEXT, "of trials: {default} (default), tpe, nsga2, random, grid, gp, or a plug-in's", metavar="NAME"
        ),
    )
    jobs: int | None = field(
        default=None,
        metadata=_spelled(Kind((int,), jobs), "workers that build (default: one a core, as memory allows)"),
    )
    name: str = field(metadata=_spelled(TEXT, "of the study (default: the experiment's or the model's)"))
    custom_objects: tuple[str, ...] = field(
        default=(), metadata=_spelled(TEXTS, "a .py file or module that registers custom classes", metavar="MODULE")
    )
    trust: bool = field(
        default=False,
        metadata=_spelled(SWITCH, "let the model file run code of its own (Lambda layers)", in_files=False),
    )
    dir: str = field(
        default="runs",
        metadata=_spelled(TEXT, "that holds the studies (default: {default})", metavar="DIR", in_files=False),
    )
    ray: str | None = field(
        default=None,
        metadata=_spelled(TEXT, "a running Ray cluster to build on", metavar="ADDRESS", in_files=False),
    )
    tracking_uri: str | None = field(
        default=None,
        repr=False,  # it may have a password
        metadata=_spelled(
            TEXT,
            f"MLflow store, or none (default: $MLFLOW_TRACKING_URI or {TRACKING})",
            metavar="URI",
            in_files=False,
        ),
    )


def _of(entry: "Field[Any]") -> Option:  # of any type
    default, more = None if entry.default is MISSING else entry.default, entry.metadata
    return Option(
        name=entry.name,
        kind=more["kind"],
        help=more["help"].format(default=default),
        default=default,
        flag=f"--{entry.name.replace('_', '-')}" if more["flag"] is None else more["flag"],
        metavar=more["metavar"],
        in_files=more["in_files"],
    )


OPTIONS = {entry.name: _of(entry) for entry in fields(RunOptions)}
"""By name, in the command line's order."""
