"""What a competent user writes in an afternoon: one Ray Tune trainable that prunes, clusters, quantizes, converts,
evaluates and times ResNet8, under OptunaSearch. Each trial begins at the original model, times itself while the
other trains, and leaves its file and numbers in a folder. Only benchmarks.live runs it.
"""

import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

SHARED = Path(__file__).parents[2] / "shared"
EPOCHS = 5
BATCH = 32
TRIALS = 32
SPACE: dict[str, list[Any]] = {
    "prune": [0, 0.3, 0.5, 0.65, 0.8],
    "cluster": [0, 64, 32, 16, 8],
    "quantize": ["none", "float16", "dynamic", "int8", "qat"],
    "delegate": ["xnnpack", "builtin"],
    "threads": [1, 2],
}


def trial(config: dict[str, Any], folder: str) -> None:
    """One trial; reports accuracy, latency in ms and compressed bytes."""
    import os

    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import numpy as np
    import ray.tune
    import tf_keras

    with np.load(SHARED / "data" / "cifar10_subset.npz") as data:
        x, y = data["x_train"].astype("float32"), data["y_train"]
        x_val, y_val = data["x_test"][:500].astype("float32"), data["y_test"][:500]
    model = tf_keras.models.load_model(SHARED / "models" / "resnet8_legacy.h5", compile=False)
    file = _converted(_compressed(model, config, x, y), config["quantize"], x)
    accuracy, latency = _run(file, config, x_val, y_val)
    numbers = {"accuracy": accuracy, "latency": latency, "size": len(gzip.compress(file, 9))}
    name = f"{time.time_ns()}"
    (Path(folder) / f"{name}.tflite").write_bytes(file)
    (Path(folder) / f"{name}.json").write_text(json.dumps(config | numbers))
    ray.tune.report(numbers)


def _compressed(model: Any, config: dict[str, Any], x: Any, y: Any) -> Any:
    import tensorflow_model_optimization as tfmot
    from tensorflow_model_optimization.python.core.clustering.keras.experimental import cluster

    if config["prune"]:
        end = EPOCHS * -(-len(x) // BATCH)
        schedule = tfmot.sparsity.keras.PolynomialDecay(0.0, config["prune"], 0, end // 2, frequency=10)
        model = tfmot.sparsity.keras.prune_low_magnitude(_copy(model), pruning_schedule=schedule)
        _train(model, x, y, [tfmot.sparsity.keras.UpdatePruningStep()])
        model = tfmot.sparsity.keras.strip_pruning(model)
    if config["cluster"]:
        start = tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS
        keep = bool(config["prune"])
        model = cluster.cluster_weights(_copy(model), config["cluster"], start, preserve_sparsity=keep)
        _train(model, x, y)
        model = tfmot.clustering.keras.strip_clustering(model)
    if config["quantize"] == "qat":
        schemes = tfmot.experimental.combine
        scheme: Any = None
        if config["cluster"]:
            scheme = schemes.Default8BitClusterPreserveQuantizeScheme(bool(config["prune"]))
        elif config["prune"]:
            scheme = schemes.Default8BitPrunePreserveQuantizeScheme()
        annotated = tfmot.quantization.keras.quantize_annotate_model(_copy(model))
        model = tfmot.quantization.keras.quantize_apply(annotated, *([scheme] if scheme else []))
        _train(model, x, y)
    return model


def _copy(model: Any) -> Any:
    import tf_keras

    copy = tf_keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def _train(model: Any, x: Any, y: Any, callbacks: Any = ()) -> None:
    import tf_keras

    model.compile(tf_keras.optimizers.Adam(3e-4), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0, callbacks=list(callbacks))


def _converted(model: Any, scheme: str, x: Any) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if scheme != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if scheme == "int8":
        converter.representative_dataset = lambda: ([sample[None]] for sample in x[:100])
    file: bytes = converter.convert()
    return file


def _run(file: bytes, config: dict[str, Any], x: Any, y: Any) -> tuple[float, float]:
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kernels = {"xnnpack": OpResolverType.AUTO, "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}
    interpreter = Interpreter(
        model_content=file,
        num_threads=config["threads"],
        experimental_op_resolver_type=kernels[config["delegate"]],
    )
    interpreter.allocate_tensors()
    entry, exit_ = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    right, times = 0, []
    for sample, label in zip(x, y, strict=True):
        began = time.perf_counter()
        interpreter.set_tensor(entry, sample[None])
        interpreter.invoke()
        outputs = interpreter.get_tensor(exit_)
        times.append(time.perf_counter() - began)
        right += int(np.argmax(outputs) == label)
    return right / len(y), float(np.median(times)) * 1e3


def main(folder: str) -> None:
    """Runs the trials, two at a time."""
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    search = OptunaSearch(metric=["accuracy", "latency", "size"], mode=["max", "min", "min"], seed=0)
    tuner = tune.Tuner(
        tune.with_parameters(trial, folder=folder),
        param_space={name: tune.choice(values) for name, values in SPACE.items()},
        tune_config=tune.TuneConfig(search_alg=search, num_samples=TRIALS, max_concurrent_trials=2),
    )
    tuner.fit()


if __name__ == "__main__":
    main(sys.argv[1])
