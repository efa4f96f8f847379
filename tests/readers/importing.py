"""Opens models in a process of its own, as workers do: native code that reads damaged files may end it.

`python -m tests.readers.importing` first gives four small models, then answers each file with what became of it.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from autotune.compress.worker import start
from autotune.devices.runner.frames import read_frame, write_frame
from autotune.errors import UserError
from tests.compress import tables


def models(folder: Path) -> dict[str, bytes]:
    """By name: one of each kind of file that a framework opens, and one that LiteRT runs."""
    import keras
    import tf_keras

    from autotune.model.file import read_model

    made = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    made.save(folder / "new.keras")
    made.export(folder / "saved", verbose=False)
    tf_keras.Sequential([tf_keras.layers.InputLayer((4,)), tf_keras.layers.Dense(3)]).save(folder / "old.h5")
    (folder / "small.tflite").write_bytes(tables.small())
    return {name: read_model(folder / name) for name in ("new.keras", "old.h5", "saved", "small.tflite")}


def opened(data: bytes, name: str) -> str:
    """What import_model() made of it."""
    from autotune.model.load import import_model

    try:
        facts = import_model(data, name).facts
    except UserError as error:
        return f"refused: {error}"
    except BaseException as error:  # noqa: BLE001  # which is what must not be
        return f"raised {type(error).__name__}: {error}"
    return f"opened: {json.dumps(facts)}"


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    start(1)
    with tempfile.TemporaryDirectory() as folder:
        for name, data in models(Path(folder)).items():
            write_frame(answers, {"name": name}, data)
    while (frame := read_frame(sys.stdin.buffer)) is not None:
        write_frame(answers, {"said": opened(frame[1], frame[0]["name"])})


if __name__ == "__main__":
    main()
