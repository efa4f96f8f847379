"""The process that Ray lives in: it starts the workers, and calls in them what comes over its connection.

Ray ends the process that is connected to it where its raylet or its GCS is lost: so that is not the study's.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

import cloudpickle

from autotune.errors import UserError, one_line
from autotune.study.ray_address import reached
from autotune.study.ray_messages import Answer, Line, RayOptions, State, Value
from autotune.study.ray_workers import Ray, Workers

log = logging.getLogger("autotune.worker")

PATIENCE_S = 600.0
"""Seconds that a raylet may take to start, as long as none of Ray's processes ends; Ray itself waits for 30."""

LOOK_S = 0.5
"""Seconds between two looks at whether Ray's own processes are there."""

END_S = 30.0
"""Seconds that an end in order may take."""

_VITAL = ("raylet", "gcs_server")
"""Of Ray's processes, those without which there is no Ray."""


def main() -> None:
    """Serves the connection whose file descriptor is the last argument, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever is interrupted closes the connection
    connection = Connection(int(sys.argv[-1]))
    lock = threading.Lock()
    options: RayOptions = cloudpickle.loads(connection.recv_bytes())

    def send(message: Answer | Line | State) -> None:
        data = cloudpickle.dumps(message)
        with lock, suppress(OSError):  # nobody listens any more
            connection.send_bytes(data)

    log.addHandler(_Sent(send))
    log.setLevel(logging.INFO)
    workers = Workers(options, send)
    threading.Thread(target=_listen, args=(connection, workers), daemon=True).start()
    try:
        ray, own = connect(options)
        workers.begin(ray)
    except UserError as error:
        send(State(str(error), wrong=True))
        os._exit(1)
    except Exception as error:  # whatever Ray says of it, it does not start
        logging.getLogger("autotune.worker").exception("Ray does not start")
        send(State(one_line(error)))
        os._exit(1)
    send(State())
    while not workers.closed.wait(LOOK_S):
        if own and (lost := _lost()):
            send(State(f"{lost} ended"))
            os._exit(1)
    threading.Timer(END_S, os._exit, (1,)).start()  # Ray's own processes end with this one, however it ends
    workers.end()
    if own:
        ray.shutdown(wait_for_processes=True)
    os._exit(0)


def _listen(connection: Connection, workers: Workers) -> None:
    """Takes what comes, also while Ray starts."""
    while True:
        try:
            message = cloudpickle.loads(connection.recv_bytes())
        except (EOFError, OSError):  # closed, or its other end was killed
            if not workers.ray.done():
                os._exit(0)
            workers.closed.set()
            return
        if isinstance(message, Value):
            workers.keep(message)
        else:
            workers.call(message)


class _Sent(logging.Handler):
    def __init__(self, send: Callable[[Line], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        self._send(Line(self.format(record)))


def connect(options: RayOptions) -> tuple[Ray, bool]:
    """Ray, connected to the cluster at the address, or to one of its own on loopback; and whether it is its own.

    A machine that belongs to a cluster, by RAY_ADDRESS or by what was started on it, gets one of its own, too.
    """
    import ray
    from ray._private import services

    if options.address:
        ray.init(address=reached(options.address), log_to_driver=False, logging_level="ERROR")
        return ray, False
    services.get_node = _patient(services.get_node)
    ray.init(
        address="local",
        num_cpus=options.jobs,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=512 * 1024**2,
        _temp_dir=options.sessions,
    )
    return ray, True


def _patient(look: Callable[..., object]) -> Callable[..., object]:
    """Ray's look for a raylet that is starting, which waits until it is there or some process of Ray has ended."""

    def look_longer(*arguments: object) -> object:
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return look(*arguments)
            except RuntimeError:  # not there yet
                if time.monotonic() > end or _child_ended():
                    raise
                time.sleep(0.1)

    return look_longer


def _child_ended() -> bool:
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # there is none
        return True


def _lost() -> str:
    """Which of Ray's own processes have ended; empty where all is well."""
    from ray._private import worker

    dead = {kind for kind, _ in worker._global_node.dead_processes()}
    return ", ".join(kind for kind in _VITAL if kind in dead)
