"""docs/reference.md: it has every public name, once."""

import re

import autotune
from autotune import extend, testing
from tests.docs.test_examples import ROOT


def test_every_public_name_is_on_the_page() -> None:
    """Under the module that it is imported from; what both autotune and autotune.extend have, under the former."""
    shown = re.findall(r"^::: (.*)$", (ROOT / "docs" / "reference.md").read_text(), re.MULTILINE)
    assert len(shown) == len(set(shown))
    assert set(shown) == {
        *(f"autotune.{name}" for name in autotune.__all__),
        *(f"autotune.extend.{name}" for name in set(extend.__all__) - set(autotune.__all__)),
        *(f"autotune.testing.{name}" for name in testing.__all__),
    }
