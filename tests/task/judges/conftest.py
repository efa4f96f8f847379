"""Each property is tried as tests/properties.py says."""

import tests.properties  # noqa: F401  # sets the number of examples
