"""What is kept of where a file's time goes, and JSON."""

import json

from autotune.results.profile import KeptProfile, OperatorTime, Part
from autotune.tflite.facts import Operator


def test_json() -> None:
    """Parts come back as they were, as far as either side of them is known."""
    time = OperatorTime("#0", "Convolution", 1.5, 0.0, "xnnpack")
    operator = Operator("conv", "CONV_2D", 9, 3, 12, 8, (1, 2), "float32")
    parts = (Part(time, operator), Part(None, operator), Part(time, None))
    for profile in (KeptProfile(parts, ""), KeptProfile((), "no times")):
        text = json.dumps(profile.to_json())
        assert KeptProfile.from_json(json.loads(text)) == profile
        assert json.dumps(KeptProfile.from_json(json.loads(text)).to_json()) == text
