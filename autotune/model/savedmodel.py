"""SavedModel folders: what they hold, and the float .tflite that LiteRT's converter makes of them."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from autotune.errors import UserError, one_line
from autotune.files import Scratch
from autotune.model.file import SAVED_MODEL
from autotune.model.keras_types import KerasConfig, KerasObject
from autotune.model.opening import Opening, chosen
from autotune.model.signature import Shape, check_signature
from autotune.tflite.custom import missing
from autotune.tflite.flatbuffer import describe

_KERAS_METADATA = "keras_metadata.pb"
_REACHING_OUT = frozenset({"EagerPyFunc", "MatchingFiles", "PyFunc", "PyFuncStateless", "ReadFile", "WriteFile"})
_UNSUPPORTED = "op is neither a custom op nor a flex op"
"""What the converter says of TensorFlow's operators, also of the few that LiteRT has as custom ones."""


def is_saved_model(data: bytes) -> bool:
    """Whether these bytes are a folder packed by model.file.read_model()."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return SAVED_MODEL in archive.namelist()
    except zipfile.BadZipFile:
        return False


@contextmanager
def unpacked(data: bytes) -> Iterator[Path]:
    """The folder, for as long as the context lasts."""
    with Scratch() as folder:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            archive.extractall(folder)
        yield Path(folder)


def keras_config(folder: Path) -> dict[str, KerasConfig] | None:
    """What Keras 2 has kept of a model in its SavedModel.

    Returns:
        Of each object that Keras would make again, by its path ("root" is the model): class_name, config, and
        of the root training_config. None where that can't be read, or there is nothing of the kind: other
        programs, Keras 3 among them, write graphs alone.
    """
    try:
        configs = [(node.node_path, json.loads(node.metadata)) for node in _keras_metadata(folder)]
    except (ValueError, RecursionError):
        return None
    by_path = dict(configs)
    unique = len(by_path) == len(configs)  # of two under one path, one would be looked at and the other opened
    whole = unique and all(isinstance(config, dict) for config in by_path.values())
    return by_path if whole and isinstance(by_path.get("root", {}).get("config"), dict) else None


def _keras_metadata(folder: Path) -> KerasObject:
    """What tf_keras would make layers of, read as it does: before TensorFlow 2.5 it stood in the graph's own file.

    Raises:
        ValueError: it can't be read, or objects of Keras are without it.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # none of its own
    from tf_keras.protobuf import saved_metadata_pb2
    from tf_keras.src.saving.legacy.saved_model import load

    metadata = saved_metadata_pb2.SavedMetadata()
    file = folder / _KERAS_METADATA
    if file.exists():
        try:
            metadata.ParseFromString(file.read_bytes())
        except DecodeError as error:
            raise ValueError("damaged") from error
    else:  # public in no form; a reader of our own might see another model than the one that is opened
        load._read_legacy_metadata(_meta_graphs(folder)[0].object_graph_def, metadata, str(folder))
    return metadata.nodes


def file_operators(folder: Path) -> list[str]:
    """The operators of the folder's graph that read or write files, or call Python, once it is run or opened.

    Raises:
        UserError: the graph can't be read.
    """
    graphs = [meta.graph_def for meta in _meta_graphs(folder)]
    nodes = [node for graph in graphs for node in graph.node]
    nodes += [node for graph in graphs for function in graph.library.function for node in function.node_def]
    return sorted({node.op for node in nodes} & _REACHING_OUT)


def to_tflite(folder: Path, opening: Opening = Opening()) -> bytes:  # noqa: B008  # frozen
    """The folder's model as a float .tflite file, for batches of the size that the folder has.

    Args:
        folder: of the model.
        opening: what the user says of what it leaves open.

    Raises:
        UserError: it has several signatures, or dynamic shapes, of which nothing is said, or needs operators that
            LiteRT has not; BatchNeeded where a batch of 1 may help.
    """
    import tensorflow as tf

    signature, shapes = _signature(folder, opening)

    def converted(*, custom: bool) -> bytes:
        if opening.shapes:
            converter = _with_shapes(folder, signature, shapes)
        else:
            converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[signature])
        converter.allow_custom_ops = custom
        return bytes(converter.convert())

    try:
        try:
            return converted(custom=False)
        except Exception as error:  # as below
            if _UNSUPPORTED not in str(error):
                raise
            file = converted(custom=True)
    except Exception as error:  # the converter's own kinds of error are many, and none is public
        raise _refusal(error) from error
    if lacking := missing(file, describe(file)["custom_operators"]):
        names = ", ".join(lacking)
        raise UserError(f"needs TensorFlow operators that LiteRT has not ({names}); rebuild it without them")
    return file


class BatchNeeded(UserError):
    """The converter can't do recurrent layers, which are loops here, for batches of any size."""


def needs_batch(error: Exception) -> bool:
    """Whether the converter failed over loops in a model for batches of any size."""
    return "TensorList" in str(error)


def _refusal(error: Exception) -> UserError:
    if needs_batch(error):
        return BatchNeeded("has recurrent layers for batches of any size; export it with an input_signature of batch 1")
    return UserError(f"can't be converted to .tflite: {one_line(error, 200)}")


def _meta_graphs(folder: Path) -> KerasObject:
    """The folder's graphs, with what is said about each.

    Raises:
        UserError: they can't be read.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((folder / SAVED_MODEL).read_bytes())
    except DecodeError as error:
        raise UserError(f"its {SAVED_MODEL} is damaged; save the model again") from error
    return saved.meta_graphs


def _signature(folder: Path, opening: Opening) -> tuple[str, dict[str, Shape | None]]:
    """The name of the signature that is meant, and the shapes of its inputs, with the batch; checked."""
    graphs = [graph for graph in _meta_graphs(folder) if "serve" in graph.meta_info_def.tags]
    if not graphs:
        raise UserError("has no graph tagged 'serve'; save the model again with tf.saved_model.save()")
    signatures = {key: value for key, value in graphs[0].signature_def.items() if not key.startswith("__")}
    if signatures.keys() == {"serve", "serving_default"}:  # Keras 3 writes its one signature twice
        del signatures["serve"]
    if not signatures:
        raise UserError("has no signature; give tf.saved_model.save() the one to use as signatures=")
    name = chosen(sorted(signatures), opening)
    inputs = opening.closed({key: _shape(tensor) for key, tensor in signatures[name].inputs.items()})
    # Shapes of outputs are often found out by the converter only.
    check_signature(inputs, dict.fromkeys(signatures[name].outputs))
    return name, inputs


def _with_shapes(folder: Path, signature: str, shapes: Mapping[str, Shape | None]) -> KerasObject:
    """A converter of a signature whose inputs have these shapes, with the batch."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    function = loaded.signatures[signature]
    taken = function.structured_input_signature[1]
    specs = {name: tf.TensorSpec(shapes[name], spec.dtype, name) for name, spec in taken.items()}
    call = tf.function(lambda *values: function(**dict(zip(specs, values, strict=True))), [*specs.values()])
    return tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()], loaded)


def _shape(tensor: KerasObject) -> Shape | None:
    if tensor.tensor_shape.unknown_rank:
        return None
    return [None if dimension.size < 0 else int(dimension.size) for dimension in tensor.tensor_shape.dim]
