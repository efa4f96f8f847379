"""The models of the zoo: keras.applications at small sizes, and small networks of our own; all with random weights."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import zoo_networks as networks
from benchmarks.zoo_networks import Keras, Model

LIBRARIES = ("keras", "tf_keras")


@dataclass(frozen=True)
class Entry:
    """A model of the zoo.

    Attributes:
        make: gives it, with random weights, of a library.
        library: "keras" (Keras 3) or "tf_keras".
        form: the file that is tuned: .keras, .h5, .tflite, or "" for a SavedModel folder.
        pixels: whether inputs are 0 to 255; else they are of a normal distribution.
        exact: whether it computes in 32 bits.
    """

    make: Callable[[Keras], Model]
    library: str
    form: str = ".keras"
    pixels: bool = False
    exact: bool = True


def entries() -> dict[str, Entry]:
    """The zoo by names, the small ones first."""
    return _own() | _policies() | _forms() | _applications()


def made(entry: Entry) -> Model:
    """The model, with weights as a training may leave them: biases and statistics are not at their beginning."""
    import keras
    import tf_keras

    library = keras if entry.library == "keras" else tf_keras
    library.utils.set_random_seed(0)
    model = entry.make(library)
    random = np.random.default_rng(0)
    weights = []
    for values in model.get_weights():
        real = values.ndim == 1 and values.dtype.kind == "f"
        shift = random.normal(0, 0.05, values.shape).astype(values.dtype) if real else 0
        weights.append(np.abs(values + shift) if real and (values == 1).all() else values + shift)
    model.set_weights(weights)
    return model


def save(model: Model, entry: Entry, path: Path) -> None:
    """Writes the model in its form."""
    if entry.form == ".tflite":
        import tensorflow as tf

        path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    elif entry.form == "" and entry.library == "keras":
        model.export(path, verbose=False)
    elif entry.form == "":
        model.save(path, save_format="tf")
    else:
        model.save(path)


def _both(name: str, make: Callable[[Keras], Model], **settings: Any) -> dict[str, Entry]:
    return {f"{name}, {library}": Entry(make, library, **settings) for library in LIBRARIES}


def _own() -> dict[str, Entry]:
    small = {
        "separable": networks.separable,
        "activations": networks.activations,
        "1-D convolutions": networks.convolutions_1d,
        "TCN": networks.tcn,
        "GRU": lambda k: networks.recurrent(k, k.layers.GRU(8, return_sequences=True), k.layers.GRU(8)),
        "LSTM": lambda k: networks.recurrent(k, k.layers.LSTM(8, return_sequences=True), k.layers.LSTM(8)),
        "bidirectional": lambda k: networks.recurrent(k, k.layers.Bidirectional(k.layers.LSTM(8))),
        "embedded text": networks.embedded_text,
        "recommendation": networks.recommendation,
        "transformer": networks.transformer,
        "U-Net, transposed": lambda k: networks.u_net(k, transposed=True),
        "U-Net, upsampled": lambda k: networks.u_net(k, transposed=False),
        "image and features": networks.image_and_features,
        "grouped": networks.grouped,
        "squeeze and excite": networks.squeeze,
        "nested": networks.nested,
        "shared": networks.shared,
        "preprocessing": networks.preprocessing,
        "shapes": networks.shapes,
        "batch of one": networks.batch_of_one,
        "ConvNeXt-like": networks.convnext_like,
    }
    rows: dict[str, Entry] = {}
    for name, make in small.items():
        rows |= _both(name, make, pixels=name == "preprocessing")
    rows["operations, keras"] = Entry(networks.operations, "keras")
    rows["normalisations, keras"] = Entry(networks.normalisations, "keras")
    rows["lambda operations, tf_keras"] = Entry(networks.tensor_operations, "tf_keras")
    return rows


def _policies() -> dict[str, Entry]:
    rows: dict[str, Entry] = {}
    for policy in ("mixed_float16", "mixed_bfloat16"):
        for name, make in (("residual", networks.squeeze), ("transformer", networks.transformer)):
            rows |= _both(f"{policy} {name}", partial(_under, policy, make), exact=False)
    return rows


def _forms() -> dict[str, Entry]:
    return {
        "separable, .h5": Entry(networks.separable, "tf_keras", ".h5"),
        "separable, .h5 of Keras 3": Entry(networks.separable, "keras", ".h5"),
        "separable, SavedModel": Entry(networks.separable, "tf_keras", ""),
        "separable, export": Entry(networks.separable, "keras", ""),
        "subclassed, SavedModel": Entry(networks.subclassed, "tf_keras", ""),
        "subclassed, export": Entry(networks.subclassed, "keras", ""),
        "separable, .tflite": Entry(networks.separable, "tf_keras", ".tflite"),
        "squeeze and excite, .tflite": Entry(networks.squeeze, "tf_keras", ".tflite"),
        "U-Net, .tflite": Entry(partial(networks.u_net, transposed=True), "tf_keras", ".tflite"),
        "TCN, .tflite": Entry(networks.tcn, "tf_keras", ".tflite"),
        "transformer, .tflite": Entry(networks.transformer, "tf_keras", ".tflite"),
    }


def _applications() -> dict[str, Entry]:
    small: dict[str, dict[str, Any]] = {
        "MobileNet": {"alpha": 0.25},
        "MobileNetV2": {"alpha": 0.35},
        "MobileNetV3Small": {"minimalistic": False},
        "ResNet50": {},
        "ResNet50V2": {},
        "EfficientNetB0": {},
        "EfficientNetV2B0": {},
        "DenseNet121": {},
        "Xception": {},
        "InceptionV3": {},
        "NASNetMobile": {},
        "ConvNeXtTiny": {},
    }
    sizes = {"Xception": 75, "InceptionV3": 80}
    pixels = {"MobileNetV3Small", "EfficientNetB0", "EfficientNetV2B0", "ConvNeXtTiny"}
    in_both = {"MobileNet", "MobileNetV2", "MobileNetV3Small", "ResNet50", "EfficientNetB0"}
    rows: dict[str, Entry] = {}
    for name, options in small.items():
        make = partial(_application, name, sizes.get(name, 64), options)
        rows |= _both(name, make, pixels=name in pixels)
        if name not in in_both:  # the others have no kind of layer that these and the small networks have not
            del rows[f"{name}, tf_keras"]
    return rows


def _application(name: str, size: int, options: dict[str, Any], k: Keras) -> Model:
    return getattr(k.applications, name)(input_shape=(size, size, 3), weights=None, classes=10, **options)


def _under(policy: str, make: Callable[[Keras], Model], k: Keras) -> Model:
    k.mixed_precision.set_global_policy(policy)
    try:
        return make(k)
    finally:
        k.mixed_precision.set_global_policy("float32")
