"""What the training stages share: fine-tuning, wrapping chosen layers, their kernels."""

import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from autotune.compress.distillation import distillation_loss, lessons
from autotune.compress.stage import TrainingData, so_far
from autotune.config import TRAINING, Recipe, snap
from autotune.json_object import JsonObject
from autotune.model.artifact import is_tflite
from autotune.model.keras_facts import layers_of
from autotune.model.keras_types import KerasConfig, KerasLayer, KerasModel, KerasObject, KerasTensor
from autotune.model.load import open_base
from autotune.task import user_code
from autotune.task.data import Array
from autotune.task.losses import IGNORED, MARGINS, OF_CLASSES, Loss, of_outputs
from autotune.tflite.flatbuffer import named

KERNELS = {
    "Conv1D": "kernel",
    "Conv2D": "kernel",
    "Conv2DTranspose": "kernel",
    "Conv3D": "kernel",
    "Dense": "kernel",
    "SeparableConv1D": "pointwise_kernel",
    "SeparableConv2D": "pointwise_kernel",
}
"""The layers that TFMOT both prunes and clusters, and the weight it acts on.

Depthwise kernels are left alone by TFMOT: nine weights a channel are soon missed.
"""


UNTREATED = frozenset(
    {"Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "EinsumDense", "GRU", "LSTM"}
    | {"Conv1DTranspose", "Conv3DTranspose"}
    | {"Attention", "AdditiveAttention", "MultiHeadAttention", "RNN", "SimpleRNN", "TimeDistributed"}
)
"""Layers with kernels that TFMOT leaves alone, though LiteRT has them as fully connected ones or convolutions."""

RAMP = 0.5
"""Share of a training during which sparsity rises; in the rest the weights recover."""

FORGOTTEN = 20
"""Times that batch normalisation's moving averages are renewed during a training, at least."""

PATIENCE = 4
"""A training ends early after this part of its epochs (1/4) without a better loss, and after 3 at least."""

STRIDE = 4
"""A training continues one of this part of its epochs (1/4)."""

SHORTEST = 3
"""Epochs of the shortest training that is continued."""

HISTORY = ("loss", "accuracy", "agreement")
"""Facts of a training that have a value for each epoch."""

RESTART = 0.5
"""The rate of a training that continues another begins at this part of its own.

At all of it a QAT would be worse than the shorter one that it began with; a clustering would be
as good, and at a quarter worse (docs/decisions/015).
"""


def rungs(parameters: JsonObject) -> list[JsonObject]:
    """The trainings that one of so many epochs is made of, each continuing the one before.

    They follow from that number alone, so the first ones are those that a shorter training is made of.

    Args:
        parameters: of a stage, with the epochs asked of it.

    Returns:
        For each training the parameters with its own epochs, and in "continues" those done before
        (the first has none): 80 epochs are 5, then 15 more, then 60.
    """
    epochs = parameters["epochs"]
    shorter = epochs // STRIDE
    if shorter < SHORTEST:
        return [dict(parameters)]
    return [*rungs({**parameters, "epochs": shorter}), {**parameters, "epochs": epochs - shorter, "continues": shorter}]


def settings(recipe: Recipe) -> JsonObject:
    """The part of a recipe that says how to train."""
    idle = recipe.idle()
    return {name: getattr(recipe, name) for name in ("fine_tune", *TRAINING) if name not in idle}


def steps_of(parameters: JsonObject, data: TrainingData) -> int:
    """Training steps that fine_tune() will take."""
    samples = min(parameters.get("samples", len(data.x)), len(data.x))
    return int(-(-samples // parameters["batch_size"]) * parameters["epochs"])


def fine_tune(
    model: KerasModel, base: bytes, parameters: JsonObject, data: TrainingData, callbacks: Sequence[KerasObject]
) -> JsonObject:
    """Trains in place: Adam, its rate falling to 0 by a cosine, from RESTART again in a training that
    continues another (Loshchilov & Hutter, arXiv:1608.03983).

    Batch normalisation goes on learning its statistics, which pruned or clustered weights shift,
    and forgets fast enough to have followed them at the end, however short the training.
    Ends early where the loss no longer falls, after the ramp alone, with the best weights.

    Args:
        model: a tf_keras model.
        base: the model that teaches where fine_tune is "distill" and the data have no other teacher.
        parameters: as settings() or rungs() give them.
        data: to learn from.
        callbacks: of the stage.

    Returns:
        Facts: the epochs that were done, and after each the HISTORY that there is: the training loss, of classes
        also the share of samples that are decided as they should be, by the labels or by the teacher.
    """
    import tf_keras

    if "samples" in parameters:
        data = data.drawn(parameters["samples"])
    data = replace(data, seed=data.seed + parameters.get("continues", 0))  # or it would see the same epochs again
    tf_keras.utils.set_random_seed(data.seed)
    distils = parameters["fine_tune"] == "distill"
    epochs = parameters["epochs"]
    steps = steps_of(parameters, data)
    for layer in layers_of(model):
        inner: KerasLayer = getattr(layer, "layer", layer)  # TFMOT wraps it for quantization
        if type(inner).__name__ == "BatchNormalization":
            inner.momentum = min(inner.momentum, max(0.5, 1 - FORGOTTEN / steps))
    highest = parameters["learning_rate"] * (RESTART if "continues" in parameters else 1)
    rate = tf_keras.optimizers.schedules.CosineDecay(highest, steps)
    of_one = distillation_loss if distils else keras_loss
    losses = of_outputs(data.loss) if len(model.outputs) > 1 else None
    if losses is not None:  # in the order of the model's outputs, which wrapped layers are called otherwise in
        each = [of_one(loss.loss) for loss in losses.values()]
        model.compile(tf_keras.optimizers.Adam(rate), each, loss_weights=[loss.weight for loss in losses.values()])
    else:
        task = Loss.parse(data.loss)
        classifies = task is not None and task.name in OF_CLASSES
        metrics = ["accuracy"] if classifies else []
        model.compile(tf_keras.optimizers.Adam(rate), of_one(data.loss), weighted_metrics=metrics)
    stop = tf_keras.callbacks.EarlyStopping(
        "loss",
        patience=max(3, epochs // PATIENCE),
        restore_best_weights=True,
        start_from_epoch=math.ceil(epochs * RAMP),
    )
    teacher = open_base(so_far(base, data.teacher)) if distils else None
    takes = [entry.dtype for entry in model.inputs]
    taught = lessons(data, parameters["batch_size"], parameters["augment"], teacher, takes)
    history = model.fit(taught, epochs=epochs, verbose=0, callbacks=[*callbacks, stop])
    names = {"loss": "loss", "accuracy": "agreement" if distils else "accuracy"}
    values = {names[name]: [float(value) for value in each] for name, each in history.history.items() if name in names}
    return {"epochs": len(values["loss"]), **values}


def add_history(trainings: list[JsonObject], stage: str, facts: JsonObject) -> None:
    """Adds what an artifact's facts say of its training: its stage and its HISTORY, value by epoch. One that goes
    on with the training before, as rungs() have it, goes on with its history, too.
    """
    history = {name: [snap(value) for value in facts[name]] for name in HISTORY if name in facts}
    if not history:
        return
    if trainings and trainings[-1]["stage"] == stage:
        for name, values in history.items():
            trainings[-1][name] = [*trainings[-1].get(name, []), *values]
    else:
        trainings.append({"stage": stage, **history})


def keras_loss(identifier: str) -> KerasObject:
    """What tf_keras takes as a loss, from TrainingData.loss. One that needs rows takes class numbers, too; what is
    ignored has no weight in lessons(), so the loss has nothing to leave out.
    """
    import tf_keras

    if user_code.is_function(identifier):
        return partial(user_code.call, identifier)
    parsed = Loss.parse(identifier)
    if parsed is None:  # of a plug-in
        return tf_keras.losses.get(identifier)
    config = {name: value for name, value in parsed.settings.items() if name != IGNORED}
    if parsed.logits:
        config["from_logits"] = True
    if not config:
        loss = tf_keras.losses.get(parsed.name)
    else:
        loss = getattr(tf_keras.losses, parsed.name.title().replace("_", ""))(**config)
    needs_rows = parsed.name in MARGINS or (parsed.name in OF_CLASSES and not parsed.name.startswith("sparse_"))
    return _of_numbers_too(loss) if needs_rows else loss


def _of_numbers_too(loss: KerasObject) -> KerasObject:
    """A loss of rows that takes class numbers, too, and makes one-hot rows of them."""
    import tensorflow as tf

    # Of an object, what it gives for each sample.
    each: Callable[..., KerasTensor] = loss.call if hasattr(loss, "call") else loss

    def loss_of(labels: KerasTensor, outputs: KerasTensor) -> KerasTensor:
        if outputs.shape[-1] > 1 and labels.shape[1:] != outputs.shape[1:]:
            numbers = tf.reshape(tf.cast(labels, tf.int32), tf.shape(outputs)[:-1])
            labels = tf.one_hot(numbers, outputs.shape[-1])
        return each(labels, outputs)

    return loss_of


def wrap_layers(
    model: KerasModel, wanted: Callable[[KerasLayer], bool], wrap: Callable[[KerasLayer], KerasLayer]
) -> KerasModel:
    """The model with some layers wrapped, those of nested models too. The layers are shared: give it
    a model of your own.

    TFMOT's own wrapping of a whole model refuses models with a layer that it does not know,
    such as Rescaling.
    """
    import tf_keras

    def replaced(layer: KerasLayer) -> KerasLayer:
        if isinstance(layer, tf_keras.Model):
            return wrap_layers(layer, wanted, wrap)
        return wrap(layer) if wanted(layer) else layer

    return tf_keras.models.clone_model(model, clone_function=replaced)


def compressible(model: KerasModel, excluded: Sequence[str]) -> list[KerasLayer]:
    """The layers that pruning and clustering act on.

    Args:
        model: a tf_keras model.
        excluded: names of layers to leave alone, or patterns such as block_1*.
    """
    return [layer for layer in layers_of(model) if type(layer).__name__ in KERNELS and not named(layer.name, excluded)]


def kernel(layer: KerasLayer) -> Array:
    """The weights of a layer that pruning and clustering act on."""
    weights: Array = getattr(layer, KERNELS[type(layer).__name__]).numpy()
    return weights


def untreated(base: bytes) -> list[str]:
    """Names of the layers with kernels that TFMOT neither prunes nor clusters, such as recurrent ones.

    Args:
        base: a model as load.import_model() gave it; a .tflite has none.
    """
    if is_tflite(base):
        return []
    with zipfile.ZipFile(io.BytesIO(base)) as archive:
        config = json.loads(archive.read("config.json"))
    return [name for name, kind in _classes(config) if kind in UNTREATED or ">" in kind]


def _classes(config: KerasConfig) -> Iterator[tuple[str, str]]:
    """Name and class of each layer of a model's config, those of nested models in their place."""
    for layer in config["config"]["layers"]:
        if "layers" in layer["config"]:
            yield from _classes(layer)
        else:
            yield layer["config"]["name"], layer.get("registered_name") or layer["class_name"]
