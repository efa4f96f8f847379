"""What a fine-tuning learns from: samples, varied as asked, with labels or with a teacher's outputs.

Distillation: Hinton et al., arXiv:1503.02531. That a teacher which sees the same varied samples,
mixed ones included, teaches best: Beyer et al., arXiv:2106.05237.
"""

from typing import Any

from autotune.compress.stage import TrainingData

TEMPERATURE = 4.0
"""Softens both distributions of classes, so that the teacher's doubts are heard as well."""

MIXED_SHARE = 0.5
"""Share of a batch's samples that are mixed with another one (mixup: Zhang et al., arXiv:1710.09412)."""

SHIFT = 8
"""Images are shifted by up to one part in this many of their height and width, and by 1 at least."""


def lessons(data: TrainingData, batch_size: int, augment: str, teacher: Any | None) -> Any:
    """One epoch, shuffled anew each time.

    Args:
        data: to learn from.
        batch_size: samples in a step.
        augment: one of config.NAMES["augment"].
        teacher: a model whose outputs replace the labels, or None.

    Returns:
        A tf.data.Dataset of batches (x, y).
    """
    import tensorflow as tf

    source = (data.x,) if teacher is not None else (data.x, data.y)
    shuffled = tf.data.Dataset.from_tensor_slices(source).shuffle(len(data.x), seed=data.seed).batch(batch_size)

    def taught(x: Any) -> tuple[Any, Any]:
        varied = _augmented(x, augment)
        return varied, teacher(varied, training=False)  # type: ignore[misc]  # only called where there is one

    def labelled(x: Any, y: Any) -> tuple[Any, Any]:
        return _augmented(x, augment), y

    options = tf.data.Options()
    options.threading.private_threadpool_size = 1  # each worker has one core
    return shuffled.map(labelled if teacher is None else taught).with_options(options)


def distillation_loss(identifier: str) -> Any:
    """The loss between a teacher's outputs and a student's, of the kind that the task's loss is.

    Args:
        identifier: as TrainingData.loss.

    Returns:
        A function of (teacher's outputs, student's outputs): for classes the cross entropy of both at
        TEMPERATURE, else of probabilities, else (also for a loss of the user's own) the mean
        squared error.
    """
    import tensorflow as tf
    import tf_keras

    name, _, logits = identifier.partition(":")
    if name == "binary_crossentropy":
        binary = tf_keras.losses.BinaryCrossentropy(from_logits=bool(logits))
        return (lambda taught, given: binary(tf.sigmoid(taught), given)) if logits else binary
    if not name.endswith("categorical_crossentropy"):
        return tf_keras.losses.MeanSquaredError()

    def softened(outputs: Any) -> Any:
        return (outputs if logits else tf.math.log(outputs + tf_keras.backend.epsilon())) / TEMPERATURE

    def loss(taught: Any, given: Any) -> Any:
        target = tf.nn.softmax(softened(taught))
        # Gradients shrink with the square of the temperature: made up for, as in the paper.
        return TEMPERATURE**2 * tf.nn.softmax_cross_entropy_with_logits(target, softened(given))

    return loss


def _augmented(x: Any, augment: str) -> Any:
    if augment == "none":
        return x
    x = _shifted(_flipped(x) if augment != "shift" else x)
    return _mixed(x) if augment == "mix" else x


def _flipped(x: Any) -> Any:
    """Half of the images (n, height, width, channels) mirrored left to right."""
    import tensorflow as tf

    flips = tf.random.uniform([tf.shape(x)[0], 1, 1, 1]) < 0.5
    return tf.where(flips, tf.reverse(x, [2]), x)


def _shifted(x: Any) -> Any:
    """Each image moved by its own distance, its edges mirrored into the gap."""
    import tensorflow as tf

    for axis in (1, 2):
        size = x.shape[axis]
        most = min(max(1, size // SHIFT), size - 1)  # what is mirrored into the gap must be there
        padded = tf.pad(x, [[most, most] if index == axis else [0, 0] for index in range(4)], "REFLECT")
        start = tf.random.uniform([tf.shape(x)[0], 1], 0, 2 * most + 1, tf.int32)
        x = tf.gather(padded, start + tf.range(size), axis=axis, batch_dims=1)
    return x


def _mixed(x: Any) -> Any:
    """Some samples blended with the one at the same place from the other end of the batch."""
    import tensorflow as tf

    shape = [tf.shape(x)[0], *[1] * (len(x.shape) - 1)]
    chosen = tf.random.uniform(shape) < MIXED_SHARE
    own = tf.where(chosen, tf.random.uniform(shape), tf.ones(shape))
    values = tf.cast(x, tf.float32)
    mixed = own * values + (1 - own) * tf.reverse(values, [0])
    return tf.cast(tf.round(mixed) if x.dtype.is_integer else mixed, x.dtype)
