"""What a fine-tuning learns from: samples, varied as asked, with labels or with a teacher's outputs.

Distillation: Hinton et al., arXiv:1503.02531. That a teacher which sees the same varied samples,
mixed ones included, teaches best: Beyer et al., arXiv:2106.05237.
"""

from collections.abc import Callable, Sequence

from autotune.compress.stage import TrainingData
from autotune.errors import Infeasible
from autotune.model.keras_types import KerasModel, KerasObject, KerasTensor
from autotune.task.data import Array, mapped
from autotune.task.data.fields import names, nested, parts
from autotune.task.losses import BINARY, Loss

Lesson = Callable[..., tuple[KerasTensor | tuple[KerasTensor, ...], ...]]
"""Makes of a batch of samples what a model is taught: inputs and outputs, of several a tuple of them; weights."""

AHEAD = 2
"""Batches that are read from a file while a model learns from another."""

TEMPERATURE = 4.0
"""Softens both distributions of classes, so that the teacher's doubts are heard as well."""

MIXED_SHARE = 0.5
"""Share of a batch's samples that are mixed with another one (mixup: Zhang et al., arXiv:1710.09412)."""

SHIFT = 8
"""Images are shifted by up to one part in this many of their height and width, and by 1 at least."""


def lessons(
    data: TrainingData, batch_size: int, augment: str, teacher: KerasModel | None, takes: Sequence[KerasObject] = ()
) -> KerasObject:
    """One epoch, shuffled anew each time.

    Args:
        data: to learn from.
        batch_size: samples in a step.
        augment: one of config.NAMES["augment"].
        teacher: a model whose outputs replace the labels, or None.
        takes: types of the model's inputs, in which samples may not be kept; none where they are.

    Returns:
        A tf.data.Dataset of batches (x, y), of several inputs or outputs tuples of them in the model's order; where
        some labels don't count (x, y, weights), which are 0 there.

    Raises:
        Infeasible: labels that don't count can't be moved with their images.
    """
    loss = Loss.parse(data.loss)
    if loss is not None and loss.ignored is not None:
        return _counted_lessons(data, batch_size, augment, teacher, takes)
    source = (data.x,) if teacher is not None else (data.x, data.y)

    def taught(x: KerasTensor) -> tuple[KerasTensor, KerasTensor | tuple[KerasTensor, ...]]:
        varied = _augmented(_cast(x, takes), augment)
        outputs = teacher(varied, training=False)  # type: ignore[misc]  # only called where there is one
        return varied, tuple(outputs) if isinstance(outputs, list) else outputs

    def labelled(x: KerasTensor, y: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        return _augmented(_cast(x, takes), augment), y

    return _batches(source, labelled if teacher is None else taught, data, batch_size)


def _cast(x: KerasTensor, takes: Sequence[KerasObject]) -> KerasTensor:
    """A batch of samples of the types that a model takes; of several inputs a tuple of them."""
    import tensorflow as tf

    if not takes:
        return x
    if isinstance(x, tuple):
        return tuple(tf.cast(each, dtype) for each, dtype in zip(x, takes, strict=True))
    return tf.cast(x, takes[0])  # type: ignore[no-any-return]  # TensorFlow has no types


def _counted_lessons(
    data: TrainingData, batch_size: int, augment: str, teacher: KerasModel | None, takes: Sequence[KerasObject]
) -> KerasObject:
    """lessons() of data in which labels below 0 don't count."""
    import tensorflow as tf

    several = names(data.x)
    places = data.y.shape[1:]
    if augment != "none" and places not in ((), data.x.shape[1:3]):
        raise Infeasible("ignored labels of another size than their images can't be shifted and flipped with them")

    def lesson(x: KerasTensor, y: KerasTensor) -> tuple[KerasTensor, ...]:
        x = _cast(x, takes)
        counted = tf.cast(y >= 0, tf.float32 if several else x.dtype)
        if places and augment != "none":
            moved = _augmented(tf.concat([x, counted[..., tf.newaxis]], -1), augment)
            varied, counted = moved[..., :-1], moved[..., -1]
        else:
            varied = _augmented(x, augment)
        weights = tf.cast(counted, tf.float32)
        # Keras divides by the number of all; as with its own ignore_class the mean is of those that count.
        weights *= tf.cast(tf.size(weights), tf.float32) / tf.maximum(tf.reduce_sum(weights), 1)
        return varied, tf.maximum(y, 0) if teacher is None else teacher(varied, training=False), weights

    return _batches((data.x, data.y), lesson, data, batch_size)


def _batches(source: tuple[Array, ...], lesson: Lesson, data: TrainingData, size: int) -> KerasObject:
    """Batches of this size, shuffled, each as lesson() makes it."""
    import tensorflow as tf

    if all(mapped.path_of(values) is None for values in source):
        some = source if data.places is None else tuple(values[data.places] for values in source)
        samples = tf.data.Dataset.from_tensor_slices(tuple(map(nested, some)))
        shuffled = samples.shuffle(len(samples), seed=data.seed).batch(size)
    else:
        every = data.places is None
        places = tf.data.Dataset.range(len(data.x)) if every else tf.data.Dataset.from_tensor_slices(data.places)
        drawn = places.shuffle(len(places), seed=data.seed).batch(size)
        shuffled = drawn.map(lambda at: tuple(_read(values, at) for values in source)).prefetch(AHEAD)
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1  # each worker has one core
    return shuffled.map(lesson).with_options(options)


def _read(values: Array, places: KerasTensor) -> KerasTensor | tuple[KerasTensor, ...]:
    """The samples of a batch, of several inputs or outputs a tuple: no more is read of a file than these."""
    import tensorflow as tf

    columns = parts(values).values()
    dtypes = [column.dtype for column in columns]
    samples = tf.numpy_function(lambda at: nested(values[at]), [places], dtypes, stateful=False)
    for each, column in zip(samples, columns, strict=True):
        each.set_shape((None, *column.shape[1:]))
    return tuple(samples) if names(values) else samples[0]


def distillation_loss(identifier: str) -> KerasObject:
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

    task = Loss.parse(identifier)
    if task is None or not task.name.endswith("crossentropy"):
        return tf_keras.losses.MeanSquaredError()
    logits = task.logits
    if task.name in BINARY:
        binary = tf_keras.losses.BinaryCrossentropy(from_logits=logits)
        return (lambda taught, outputs: binary(tf.sigmoid(taught), outputs)) if logits else binary

    def loss(taught: KerasTensor, outputs: KerasTensor) -> KerasTensor:
        target = tf.nn.softmax(softened(taught, logits=logits))
        # Gradients shrink with the square of the temperature: made up for, as in the paper.
        entropy: KerasTensor = tf.nn.softmax_cross_entropy_with_logits(target, softened(outputs, logits=logits))
        return entropy * TEMPERATURE**2

    return loss


def softened(outputs: KerasTensor, *, logits: bool) -> KerasTensor:
    """Outputs for classes, or logits of them, as logits at TEMPERATURE."""
    import tensorflow as tf
    import tf_keras

    return (outputs if logits else tf.math.log(outputs + tf_keras.backend.epsilon())) / TEMPERATURE


def _augmented(x: KerasTensor, augment: str) -> KerasTensor:
    if augment == "none":
        return x
    x = _shifted(_flipped(x) if augment != "shift" else x)
    return _mixed(x) if augment == "mix" else x


def _flipped(x: KerasTensor) -> KerasTensor:
    """Half of the images (n, height, width, channels) mirrored left to right."""
    import tensorflow as tf

    flips = tf.random.uniform([tf.shape(x)[0], 1, 1, 1]) < 0.5
    flipped: KerasTensor = tf.where(flips, tf.reverse(x, [2]), x)
    return flipped


def _shifted(x: KerasTensor) -> KerasTensor:
    """Each image moved by its own distance, its edges mirrored into the gap."""
    import tensorflow as tf

    for axis in (1, 2):
        size = x.shape[axis]
        most = min(max(1, size // SHIFT), size - 1)  # what is mirrored into the gap must be there
        padded = tf.pad(x, [[most, most] if index == axis else [0, 0] for index in range(4)], "REFLECT")
        start = tf.random.uniform([tf.shape(x)[0], 1], 0, 2 * most + 1, tf.int32)
        x = tf.gather(padded, start + tf.range(size), axis=axis, batch_dims=1)
    return x


def _mixed(x: KerasTensor) -> KerasTensor:
    """Some samples blended with the one at the same place from the other end of the batch."""
    import tensorflow as tf

    shape = [tf.shape(x)[0], *[1] * (len(x.shape) - 1)]
    chosen = tf.random.uniform(shape) < MIXED_SHARE
    own = tf.where(chosen, tf.random.uniform(shape), tf.ones(shape))
    values = tf.cast(x, tf.float32)
    mixed = own * values + (1 - own) * tf.reverse(values, [0])
    blended: KerasTensor = tf.cast(tf.round(mixed) if x.dtype.is_integer else mixed, x.dtype)
    return blended
