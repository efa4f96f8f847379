"""The user's data, split once and for all."""

from autotune.task.data.cut import one_hot, stratified_order, whole
from autotune.task.data.fields import Array
from autotune.task.data.read import check_source, located, needs_worker, read_data
from autotune.task.data.splits import Data, Split

__all__ = [
    "Array",
    "Data",
    "Split",
    "check_source",
    "located",
    "needs_worker",
    "one_hot",
    "read_data",
    "stratified_order",
    "whole",
]
