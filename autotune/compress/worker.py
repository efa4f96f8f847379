"""What a worker does once, before it builds anything."""

import os

from autotune.model.trust import Trust, allow


def start(threads: int, trust: Trust = Trust()) -> None:  # noqa: B008  # frozen
    """Imports TensorFlow and TFMOT, on Keras 2 and with this many threads for an operation.

    Args:
        threads: for an operation.
        trust: what model files may bring into this process. Its modules are imported by whatever
            opens a model first, where an error reaches the user.
    """
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "1"
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import tensorflow as tf
    import tensorflow_model_optimization  # noqa: F401  # so that no build has to wait for it

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.get_logger().setLevel("WARNING")
    allow(trust)
