"""Names for what TensorFlow and Keras hand over, which have no types of their own for a type checker."""

from typing import Any

KerasModel = Any
"""A model of tf_keras, or of Keras 3 before it is translated."""

KerasLayer = Any
"""A layer of such a model, TFMOT's wrappers of one too."""

KerasTensor = Any
"""What layers take and give: a tensor of TensorFlow, a variable, or a symbolic one of a functional model."""

KerasObject = Any
"""Anything else of TensorFlow, Keras or TFMOT: a loss, a callback, a dataset, a quantize config, a converter."""

KerasConfig = dict[str, Any]
"""What get_config() gives of a model or a layer, or saved files hold of it: JSON but for tuples."""

ConfigNode = Any
"""A part of such a config: an object of it, a list, or a value."""
