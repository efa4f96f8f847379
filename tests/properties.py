"""Each property is tried with a few examples that never change, or with as many new ones as AUTOTUNE_EXAMPLES says.

Imported by the conftest.py of folders that hold some.
"""

import os

from hypothesis import HealthCheck, settings

EXAMPLES = os.environ.get("AUTOTUNE_EXAMPLES")

settings.register_profile(
    "properties",
    max_examples=int(EXAMPLES or 60),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),  # large files, and a folder for all examples
    print_blob=True,
)
settings.load_profile("properties")
