"""Where the Ray cluster is that a user names, and whether this program can work with it: said within seconds.

Ray itself waits for minutes for an address where nothing is, and says no reason.
"""

import json
import os
import platform
import socket
import subprocess
import sys
from importlib.metadata import version

from autotune.errors import UserError, one_line

REACHED_S = 5.0
"""Seconds in which a host answers."""

ANSWERED_S = 12.0
"""Seconds in which a cluster says which versions it has."""

_ASK = (
    "import sys; from ray._raylet import GcsClient; from ray._private import ray_constants\n"
    "from ray._common.usage.usage_constants import CLUSTER_METADATA_KEY as key\n"
    "client = GcsClient(address=sys.argv[1])\n"
    "print(client.internal_kv_get(key, namespace=ray_constants.KV_NAMESPACE_CLUSTER).decode())"
)
"""In a process of its own: Ray's client waits for longer than is said to it."""


def reached(address: str) -> str:
    """The address of a cluster's head, HOST:PORT, which answers and has this program's versions.

    Args:
        address: HOST:PORT, or auto for RAY_ADDRESS, else the cluster that this machine belongs to.

    Raises:
        UserError: there is none, or its token or versions are others; in a line.
    """
    where = f"--ray {address}"
    if address == "auto":
        address = _of_this_machine()
        where += f" ({address})"
    if "://" in address:
        raise UserError(
            f"{where}: Ray's client can't be used; run autotune on a host of the cluster, as ray job submit does, "
            "and give its head's HOST:PORT, or auto"
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise UserError(f"{where}: is no address; write HOST:PORT, such as 10.0.0.1:6379, or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACHED_S).close()
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise UserError(f"{where}: can't be reached ({reason}); ray status says on its head where it is") from error
    _check_versions(where, _metadata(where, address))
    return address


def _of_this_machine() -> str:
    if named := os.environ.get("RAY_ADDRESS"):
        return named
    from ray._private.services import canonicalize_bootstrap_address_or_die  # public in no form

    try:
        return str(canonicalize_bootstrap_address_or_die("auto"))
    except ConnectionError as error:
        raise UserError(
            "--ray auto: RAY_ADDRESS is not set, and no Ray runs on this machine; ray start begins one, "
            "without --ray autotune has its own"
        ) from error


def _metadata(where: str, address: str) -> dict[str, str]:
    """What a cluster says of itself."""
    command = [sys.executable, "-c", _ASK, address]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=ANSWERED_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{where}: what answers there is no Ray, or of another version than this one") from error
    last = (asked.stderr.strip().splitlines() or [""])[-1]
    if "AuthenticationError" in last:
        raise UserError(
            f"{where}: wants another token than this machine's; RAY_AUTH_MODE=token with RAY_AUTH_TOKEN, or "
            "~/.ray/auth_token, must have the cluster's"
        )
    try:
        metadata: dict[str, str] = json.loads(asked.stdout)
    except ValueError as error:
        raise UserError(f"{where}: says nothing of its versions; {one_line(RuntimeError(last))}") from error
    return metadata


def _check_versions(where: str, metadata: dict[str, str]) -> None:
    """Holds a cluster's versions against this program's; Ray works with no others."""
    here = {"Ray": version("ray"), "Python": platform.python_version()}
    there = {"Ray": metadata.get("ray_version"), "Python": metadata.get("python_version")}
    for name, ours in here.items():
        if there[name] != ours:
            raise UserError(f"{where}: has {name} {there[name]}, this machine {ours}; they must be the same")
