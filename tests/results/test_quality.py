"""How good a file is, and JSON."""

import json

from autotune.results.quality import Scored
from autotune.targets.metric import ACCURACY


def test_json_of_a_test_score() -> None:
    """As journals and recipes have it, in this order."""
    written = '{"accuracy":0.88,"standard_error":0.03,"interval":[0.8,0.93],"resampled":false,"samples":100,"groups":9}'
    tested = Scored.from_json(json.loads(written))
    assert (tested.scores, tested.certainty.samples) == ({"accuracy": 0.88}, 100)
    assert tested.interval(ACCURACY) == (0.8, 0.93)
    assert json.dumps(tested.to_json(), separators=(",", ":")) == written
