"""The emulated board, and a pair of files whose order it decides."""

from pathlib import Path

import pytest

from tests.boards import arm, sparse


@pytest.fixture(scope="session")
def board() -> list[str]:
    """The argument list that starts the emulated Arm board's Python."""
    folder = arm.folder()
    reason = arm.missing(folder)
    if reason:
        pytest.skip(reason)
    return arm.command(folder)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The dense and the sparse file of one model; see sparse.pair()."""
    folder = tmp_path_factory.mktemp("pair")
    paths = folder / "dense.tflite", folder / "sparse.tflite"
    for path, file in zip(paths, sparse.pair(), strict=True):
        path.write_bytes(file)
    return paths
