"""What authors of plug-ins import: the rooms behind it may move, these names stay.

| to write | begin with |
|---|---|
| a stage | Stage, TrainingData, Artifact |
| a device | Device, DeviceFacts, Session, Timing; RunnerDevice and Transport where it has Python |
| a sampler | Search, Proposer, Sampler |
| a tracker | Tracker, Record |
| a script that tries a metric | parse_metric, Judge; joined for several outputs |

Nothing here imports TensorFlow, Ray, MLflow or Optuna: the driver imports a stage's module, too.
"""

from autotune.compress.qat import reopened
from autotune.compress.stage import Stage, TrainingData
from autotune.config import Config, Recipe, Runtime
from autotune.devices.client.connection import Transport
from autotune.devices.client.device import RunnerDevice
from autotune.devices.device import Cooling, Device, MeasureOptions, Session, Timing, Window
from autotune.errors import Fault, Infeasible, UserError
from autotune.json_object import JsonObject
from autotune.ledger.asked import Asked
from autotune.model.artifact import Artifact, Weights, is_tflite, pack, unpack
from autotune.model.load import open_base
from autotune.results.front import MeasuredPoint, ParetoFront, Point
from autotune.results.measurement import Measurement
from autotune.results.meta import DeviceFacts, Meta
from autotune.results.outcome import Measured, Outcome, Refused
from autotune.results.profile import OperatorTime
from autotune.results.quality import Certainty
from autotune.results.record import Begun, Record
from autotune.search.search import Proposer, Sampler, Search
from autotune.space.space import Space
from autotune.targets.metric import Metric
from autotune.targets.target import Target
from autotune.task.data.fields import joined, parts
from autotune.task.judges.judge import Judge
from autotune.task.judges.table import parse as parse_metric
from autotune.tflite.flatbuffer import Layer, named, read_layers
from autotune.track.tracker import Tracker

__all__ = [
    "Artifact",
    "Asked",
    "Begun",
    "Certainty",
    "Config",
    "Cooling",
    "Device",
    "DeviceFacts",
    "Fault",
    "Infeasible",
    "JsonObject",
    "Judge",
    "Layer",
    "MeasureOptions",
    "Measured",
    "MeasuredPoint",
    "Measurement",
    "Meta",
    "Metric",
    "OperatorTime",
    "Outcome",
    "ParetoFront",
    "Point",
    "Proposer",
    "Recipe",
    "Record",
    "Refused",
    "RunnerDevice",
    "Runtime",
    "Sampler",
    "Search",
    "Session",
    "Space",
    "Stage",
    "Target",
    "Timing",
    "Tracker",
    "TrainingData",
    "Transport",
    "UserError",
    "Weights",
    "Window",
    "is_tflite",
    "joined",
    "named",
    "open_base",
    "pack",
    "parse_metric",
    "parts",
    "read_layers",
    "reopened",
    "unpack",
]
