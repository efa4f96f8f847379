"""In place of Ray's process: it calls in itself, after it has failed as often as it is told to."""

import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import cloudpickle

from autotune.study.ray_messages import Answer, Call, RayOptions, State

BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from tests.study.ray_double import main; main()"


def main() -> None:
    """Does what $PLAN says of its start: fail (says why), die (without a word), lose (ends with a call), or work.

    The last word of the plan is what every start from then on does. $STARTS is the file that counts them.
    """
    connection = Connection(int(sys.argv[-1]))
    options: RayOptions = cloudpickle.loads(connection.recv_bytes())
    starts, plan = Path(os.environ["STARTS"]), os.environ["PLAN"].split()
    number = len(starts.read_text()) if starts.exists() else 0
    starts.write_text("+" * (number + 1))
    does = plan[min(number, len(plan) - 1)]
    if does == "fail":
        connection.send_bytes(cloudpickle.dumps(State("the current node timed out")))
    if does in ("fail", "die"):
        os._exit(1)
    connection.send_bytes(cloudpickle.dumps(State()))
    options.start(1)
    while True:
        try:
            message = cloudpickle.loads(connection.recv_bytes())
        except EOFError:
            return
        if isinstance(message, Call):
            if does == "lose":
                os._exit(1)
            answer = Answer(message.number, message.function(*message.arguments))
            connection.send_bytes(cloudpickle.dumps(answer))
