"""The user's model as the base of all stages: a tf_keras model or a .tflite file, and facts about it."""

import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path

from autotune.errors import UserError, one_line
from autotune.files import Scratch
from autotune.model import keras3_activations, keras_facts, savedmodel, tflite, tflite_opening
from autotune.model.artifact import Artifact, is_tflite, unpack
from autotune.model.compile_config import by_name, compiled_loss, compiled_metrics
from autotune.model.contents import check_contents
from autotune.model.file import HDF5
from autotune.model.keras3 import translate
from autotune.model.keras_file import first_line, open_h5, open_keras, opened
from autotune.model.keras_types import ConfigNode, KerasConfig, KerasLayer, KerasModel
from autotune.model.opening import Opening
from autotune.model.signature import Shape, check_signature
from autotune.model.tflite_graph import as_keras
from autotune.model.tflite_keras import why_untrainable
from autotune.model.trust import Trust, allow, refused, trusted
from autotune.task.model_facts import ModelFacts

VERSION = 7
"""Raised when the same file would become another base."""

FILES = 9
"""Likewise, when that is so of .tflite files alone."""

Closed = list[tuple[int, ...]]
"""Shapes of a sample of each input of a model, in its order."""

log = logging.getLogger("autotune.model")


def import_model(data: bytes, name: str, trust: Trust | None = None, opening: Opening = Opening()) -> Artifact:  # noqa: B008  # frozen
    """Opens a model and gives it back in the form that stages work on.

    Args:
        data: as model.file.read_model() gives it: .keras or HDF5 by Keras 3 or Keras 2, .tflite, or a
            packed SavedModel folder.
        name: the file's name, for its suffix and for messages.
        trust: what is allowed in this process from now on; by default what it was started with.
        opening: what the user says of what the file leaves open.

    Returns:
        A tf_keras .keras file; where there can't be one, a float .tflite file (a given .tflite as
        it is). Its facts are those of ModelFacts.

    Raises:
        UserError: it can't be opened, has custom code, or is no model that can be tuned.
    """
    if trust is not None:
        allow(trust)
    trusted()
    keras3_activations.register()
    try:
        check_contents(data)
        return _imported(data, Path(name).suffix, opening)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    except Exception as error:  # of a file that was hit, frameworks raise whatever they stumble over
        log.exception("%s can't be opened", name)
        raise UserError(f"{name}: can't be opened: {one_line(error, 200)}; save the model again") from error


def open_base(base: bytes, parent: bytes | None = None) -> KerasModel:
    """The tf_keras model of import_model(), with the weights of a later stage; that of a .tflite file is made of it.

    A model that needed trust opens in processes that are started with the same trust only.
    """
    import tf_keras

    keras3_activations.register()
    if is_tflite(base):
        model = as_keras(base)
    else:
        with _file(base, ".keras") as path:
            model = tf_keras.models.load_model(path, compile=False, safe_mode=not trusted().code)
    if parent is not None:
        model.set_weights(unpack(parent))
    return model


def saved(model: KerasModel) -> bytes:
    """A tf_keras model as open_base() takes it."""
    with Scratch() as folder:
        file = Path(folder) / "base.keras"
        model.save(file)
        return file.read_bytes()


def _imported(data: bytes, suffix: str, opening: Opening) -> Artifact:
    hdf5 = data.startswith(HDF5)
    if is_tflite(data) or (suffix == ".tflite" and not hdf5):
        return _of_file(tflite_opening.opened(data, opening) if opening else data, "", {})
    if savedmodel.is_saved_model(data):
        with savedmodel.unpacked(data) as folder:
            return _from_folder(folder, opening)
    if opening.signature is not None:
        raise UserError(f"has no signatures, so none that is called {opening.signature!r}; leave out --signature")
    with _file(data, ".h5" if hdf5 else ".keras") as path:
        model, training = open_h5(path) if hdf5 else open_keras(path)
        return _from_model(model, training, opening)


@contextmanager
def _file(data: bytes, suffix: str) -> Iterator[Path]:
    with Scratch() as folder:
        file = Path(folder, f"model{suffix}")
        file.write_bytes(data)
        yield file


def _from_folder(folder: Path, opening: Opening) -> Artifact:
    """A SavedModel: its Keras model where it has one that opens, else its graph."""
    import tf_keras

    reaching = savedmodel.file_operators(folder)
    if reaching and not trusted().code:
        raise UserError(f"its graph reaches out of the model ({', '.join(reaching)}); allow it with --trust")
    configs = savedmodel.keras_config(folder)
    training = configs["root"].get("training_config") or {} if configs else {}
    none = "the SavedModel has no Keras metadata that can be read"
    reason = none if configs is None else refused(configs, trusted())
    if reason is None:
        try:
            model = opened(lambda: tf_keras.models.load_model(folder, compile=False))
        except UserError as error:
            return _of_file(savedmodel.to_tflite(folder, opening), f"its layers {error}", training)
        closed = _closed(model, opening)
        try:
            return _trainable(model, training, keras_facts.keys(model, model), closed)
        except ValueError as error:
            reason = str(error)
    return _of_file(savedmodel.to_tflite(folder, opening), reason, training)


def _from_model(model: KerasModel, training: KerasConfig, opening: Opening) -> Artifact:
    """A model of tf_keras or Keras 3: itself or its translation, else the graph that Keras exports."""
    closed = _closed(model, opening)
    try:
        twin = model if type(model).__module__.startswith("tf_keras") else translate(model)
        return _trainable(twin, training, keras_facts.keys(model, twin), closed)
    except (UserError, ValueError) as error:
        reason = str(error)
    if len(names := _output_names(model)) > 1:
        training = by_name(training, names)
    try:
        return _of_file(_exported(model, closed), reason, training)
    except savedmodel.BatchNeeded:
        return _of_file(_exported(model, closed, batch=1), reason, training)


def _exported(model: KerasModel, closed: Closed | None, batch: int | None = None) -> bytes:
    """A model of tf_keras or Keras 3 as a float .tflite, by way of a SavedModel. Several outputs keep their names.

    Args:
        model: to export.
        closed: the shapes of its inputs where the user says some; else they are the model's own.
        batch: that the file is for, None for any.
    """
    import keras

    options = {}
    if (batch is not None or closed) and isinstance(model, keras.Model) and model.inputs:
        shapes = closed or [tuple(end.shape[1:]) for end in model.inputs]
        options["input_signature"] = [
            keras.InputSpec(shape=(batch, *shape), dtype=end.dtype)
            for end, shape in zip(model.inputs, shapes, strict=True)
        ]
    with Scratch() as folder:
        try:
            with redirect_stdout(io.StringIO()):  # Keras tells of what it writes
                model.export(folder, **options)
        except Exception as error:  # Keras runs the model to export it, and its layers may fail in any way
            raise UserError(f"can't be exported as a SavedModel: {first_line(error)}") from error
        file = savedmodel.to_tflite(Path(folder))
    names = _output_names(model)
    return tflite_opening.with_outputs_called(file, names) if len(names) > 1 else file


def _output_names(model: KerasModel) -> list[str]:
    """In the order in which a list of them is exported; of a subclassed model none."""
    return list(getattr(model, "output_names", None) or ())


def _closed(model: KerasModel, opening: Opening) -> Closed | None:
    """Shapes of a sample of each input as the user says them, None where nothing is said or known: a subclassed model
    does not know its inputs. Batches can be set free.

    Raises:
        UserError: inputs or outputs can't be tuned, or the user says other shapes than the model has.
    """
    if not (getattr(model, "inputs", None) and getattr(model, "outputs", None)):
        return None
    if any(entry.dtype == "string" for entry in model.inputs):
        raise UserError("takes text; leave the layers that make numbers of it out of the model")
    names = keras_facts.input_names(model)
    there: dict[str, Shape | None] = {
        name: [None, *tensor.shape[1:]] for name, tensor in zip(names, model.inputs, strict=True)
    }
    inputs = opening.closed(there)
    ends = getattr(model, "output_names", None) or list(map(str, range(len(model.outputs))))
    shapes = {name: [None, *tensor.shape[1:]] for name, tensor in zip(ends, model.outputs, strict=True)}
    check_signature(inputs, dict.fromkeys(ends) if inputs != there else shapes)
    return [tuple(size or 0 for size in (shape or [])[1:]) for shape in inputs.values()] if inputs != there else None


def _trainable(
    model: KerasModel, training: KerasConfig, keys: Mapping[str, str], closed: Closed | None = None
) -> Artifact:
    """The artifact of a tf_keras model.

    Args:
        model: as its file has it.
        training: what it was trained with.
        keys: as keras_facts.keys().
        closed: the shapes of its inputs where the user says some; else they are the model's own.

    Raises:
        ValueError: it can't be made again from its config, which is how stages change models.
    """
    import tf_keras

    if not model._is_graph_network:  # public in no form
        raise ValueError(f"a {type(model).__name__} model is neither Sequential nor Functional")
    try:
        # Batches of any size, whatever the model was built on.
        fixed = closed or keys or any(entry.shape[0] for entry in model.inputs)
        free = keras_facts.fresh_inputs(model, closed, keys) if fixed else None
        bare = tf_keras.models.clone_model(model, free, lambda layer: _copy(layer, keys))
        if keys:  # lists, which all that comes behind takes
            bare = tf_keras.Model(bare.inputs, bare.outputs, name=model.name)
        bare.set_weights(model.get_weights())
        unknown = [layer for layer in bare.layers if not _has_config(layer)]
        if unknown:
            label = f"layer {unknown[0].name!r} ({type(unknown[0]).__name__})"
            raise ValueError(f"the class of {label} is not known; name its module with --custom-objects MODULE")
        return _artifact(saved(bare), keras_facts.facts(bare), training)
    except Exception as error:  # custom classes refuse in their own ways
        raise ValueError(f"it can't be made again from its config: {first_line(error)}") from error


def _copy(layer: KerasLayer, keys: Mapping[str, str]) -> KerasLayer:
    """A layer without its weights, in 32 bits, of the name that keys has for it."""
    config = _plain(layer.get_config())
    return type(layer).from_config({**config, "name": keys.get(layer.name, layer.name)})


def _plain(node: ConfigNode) -> ConfigNode:
    """A tf_keras config in 32 bits: where a model was trained in 16, the converter has no kernels."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("class_name") == "Policy" and "float16" in str(node["config"].get("name")):
        return "float32"
    return {key: _plain(value) for key, value in node.items()}


def _has_config(layer: KerasLayer) -> bool:
    """Not so for a layer of a SavedModel whose class is known to nobody."""
    try:
        layer.get_config()
    except NotImplementedError:
        return False
    return True


def _of_file(file: bytes, reason: str, training: KerasConfig) -> Artifact:
    """The artifact of a .tflite file.

    Args:
        file: given, or made of a model.
        reason: why that model can't be trained itself, "" for a file that was given.
        training: what it was trained with.
    """
    file = tflite_opening.settled(file)
    facts = tflite.facts(file)
    untrainable = "it is quantized already" if facts.quantized else why_untrainable(file)
    if untrainable is not None and reason:
        untrainable = f"{reason}; as for the .tflite file made of it, {untrainable}"
    return _artifact(file, replace(facts, untrainable=untrainable), training)


def _artifact(data: bytes, facts: ModelFacts, training: KerasConfig) -> Artifact:
    """A model with what is known of it, and of its training."""
    outputs = [spec.name for spec in facts.outputs]
    loss, metrics = compiled_loss(training, outputs), compiled_metrics(training, outputs)
    return Artifact(data, replace(facts, compiled_loss=loss, compiled_metrics=metrics).to_json())
