"""From weights to a .tflite, by LiteRT's converter; what follows works on the file alone."""

from autotune.compress.keras_preprocessing import unfolded
from autotune.compress.plain_forms import in_plain_forms
from autotune.compress.qat import reopened
from autotune.compress.stage import TrainingData, so_far
from autotune.compress.training import wrap_layers
from autotune.config import Recipe
from autotune.errors import Fault, Infeasible, one_line
from autotune.json_object import JsonObject
from autotune.model.artifact import Artifact, is_tflite
from autotune.model.keras_types import KerasLayer, KerasModel, KerasObject, KerasTensor
from autotune.model.load import open_base
from autotune.model.savedmodel import needs_batch
from autotune.tflite.ends import Ends
from autotune.tflite.flatbuffer import ends


class Convert:
    """Gives the file: a float one, after quantization-aware training an int8 one.

    A model that came as a .tflite is one already, as long as nothing of it was trained.
    """

    name = "convert"
    version = 4
    trains = False

    def parameters(self, recipe: Recipe) -> JsonObject | None:
        if recipe.quantize == "qat":
            return {"trained": {"pruned": recipe.prune > 0, "clustered": recipe.cluster > 0}, "io": recipe.io}
        return {"sparse": recipe.prune > 0 and recipe.prune_pattern == "xnnpack"}

    def build(self, base: bytes, parent: bytes | None, parameters: JsonObject, data: TrainingData) -> Artifact:
        if parent is None and is_tflite(base):
            return Artifact(base)
        if "trained" in parameters:
            _, model = reopened(base, so_far(base, parent), parameters["trained"])
            return Artifact(
                converted(model, names_of(model, base), quantized=True, integer_io=parameters["io"] == "int8")
            )
        model = unfolded(open_base(base, parent), data.calibration)
        if parameters["sparse"]:
            model = keeping_dimensions(model)
        return Artifact(converted(model, names_of(model, base), sparse=parameters["sparse"]))


def converted(
    model: KerasModel,
    names: Ends | None = None,
    *,
    sparse: bool = False,
    quantized: bool = False,
    integer_io: bool = False,
) -> bytes:
    """A tf_keras model as a .tflite file, for batches of any size; of one sample where it has recurrent layers.

    Args:
        model: to convert.
        names: of several inputs and outputs; None for those that the model has itself.
        sparse: whether its zeros are left out of the file, as XNNPACK's sparse kernels read it.
        quantized: whether it was trained with fake quantization, which becomes real.
        integer_io: whether input and output are int8 then, else float32.

    Raises:
        Infeasible: the converter refuses the model.
        Fault: memory or the disk did not suffice.
    """
    import tensorflow as tf

    def convert(converter: KerasObject) -> bytes:
        if sparse:
            converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
        if quantized:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if integer_io:
                converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())

    single = len(model.inputs) == len(model.outputs) == 1
    named = None if single else names or Ends(tuple(model.input_names), tuple(model.output_names))
    try:
        with in_plain_forms(model):
            try:
                if named is None:
                    return convert(tf.lite.TFLiteConverter.from_keras_model(model))
                return convert(_with_signature(model, named))
            except Exception as error:  # as below
                if not needs_batch(error):
                    raise
                return convert(_as_loops(model, named))
    except (MemoryError, OSError, tf.errors.ResourceExhaustedError) as error:
        raise Fault(f"LiteRT's converter stopped: {one_line(error)}") from error
    except Exception as error:  # the converter's own kinds of error are many, and none is public
        raise Infeasible(f"LiteRT's converter refuses the model: {one_line(error)}") from error


def names_of(model: KerasModel, base: bytes) -> Ends | None:
    """What the inputs and outputs of a model that was made of another are called, in its order: wrapped layers have
    names of their own. None where there is one of each, which needs none.

    Args:
        model: to be converted.
        base: the original model, as load.import_model() gives it.
    """
    if len(model.inputs) == len(model.outputs) == 1:
        return None
    if is_tflite(base):
        return ends(base)
    original = open_base(base)
    return Ends(tuple(original.input_names), tuple(original.output_names))


def _as_loops(model: KerasModel, named: Ends | None) -> KerasObject:
    """A converter of the model for batches of 1, of which recurrent layers become loops that LiteRT has.

    LSTM layers become loops too: they keep nothing from one sample to the next, can be quantized and are faster
    than LiteRT's own LSTM operator on XNNPACK (decision 22).
    """
    import tf_keras

    for layer in model.submodules:
        if isinstance(layer, tf_keras.layers.LSTM):
            layer._could_use_gpu_kernel = False  # public in no form; what it computes stays the same
    return for_one_sample(model, named)


def for_one_sample(model: KerasModel, named: Ends | None = None) -> KerasObject:
    """A converter of a tf_keras model for batches of 1; of an LSTM layer it makes LiteRT's own operator.

    Args:
        model: to convert.
        named: what several inputs or outputs are called, None where there is one of each.
    """
    if named is not None:
        return _with_signature(model, named, batch=1)
    import tensorflow as tf

    entry = model.inputs[0]
    spec = tf.TensorSpec((1, *entry.shape[1:]), entry.dtype, name=model.input_names[0])
    call = tf.function(lambda x: model(x, training=False), input_signature=[spec])
    return tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()], model)


def _with_signature(model: KerasModel, named: Ends, batch: int | None = None) -> KerasObject:
    """A converter of a tf_keras model whose file has these names, which layers that were wrapped have lost."""
    import tensorflow as tf

    specs = [
        tf.TensorSpec((batch, *entry.shape[1:]), entry.dtype, name=name)
        for name, entry in zip(named.inputs, model.inputs, strict=True)
    ]

    def call(*values: KerasTensor) -> dict[str, KerasTensor]:
        outputs = model(values if len(values) > 1 else values[0], training=False)
        return dict(zip(named.outputs, tf.nest.flatten(outputs), strict=True))

    concrete = tf.function(call, input_signature=specs).get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], model)


def keeping_dimensions(model: KerasModel) -> KerasModel:
    """The model with GlobalAveragePooling2D as XNNPACK's sparse kernels want it: dimensions kept, and
    taken off behind it; in nested models too. Weights and outputs are unchanged, and layers shared.
    """
    import tf_keras

    def pools(layer: KerasLayer) -> bool:
        return type(layer).__name__ == "GlobalAveragePooling2D" and not layer.keepdims

    def rebuilt(layer: KerasLayer) -> KerasLayer:
        pool = tf_keras.layers.GlobalAveragePooling2D(data_format=layer.data_format, keepdims=True)
        return tf_keras.Sequential([pool, tf_keras.layers.Flatten()], name=layer.name)

    return wrap_layers(model, pools, rebuilt)
