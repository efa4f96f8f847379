"""What all tests of devices have."""

from collections.abc import Iterator

import pytest

from autotune.devices import command


@pytest.fixture(autouse=True, scope="module")
def _own_lease(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Not the machine's: who measures there would be disturbed, and these tests would wait for him."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "LEASE", str(tmp_path_factory.mktemp("lease") / "lease"))
        yield
