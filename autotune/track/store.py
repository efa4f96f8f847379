"""Which store is meant, MLflow's or a plug-in's, and how its address is shown: without its password."""

import os
import re
from importlib.metadata import entry_points
from typing import TYPE_CHECKING
from urllib.parse import unquote

from autotune import plugins
from autotune.errors import UserError
from autotune.options.table import TRACKING

if TYPE_CHECKING:
    from autotune.track.tracker import Tracker

SCHEMES = frozenset(
    {"", "databricks", "databricks-uc", "file", "http", "https", "mssql", "mysql", "postgresql", "sqlite", "uc"}
)
"""Of MLflow's own stores, "" for a folder. MLflow is not asked: it takes seconds to be imported."""

MLFLOW = "mlflow"
"""The tracker of all stores that are no plug-in's."""

_HIDDEN = "***"

_MASKS = (
    (re.compile(r"(://[^\s/?#@:]*):[^\s/?#@]*@"), rf"\1:{_HIDDEN}@"),
    (re.compile(r"(https?://)[^\s/?#@:]+@"), rf"\1{_HIDDEN}@"),  # a token in place of a name
    (
        re.compile(r"(?i)([?&;](?:password|passwd|pwd|token|secret|sslpassword|odbc_connect)=)[^\s&;#'\"]+"),
        rf"\1{_HIDDEN}",
    ),
)
"""What in a text may be a password: of an address, by its place."""

_LONG = 4
"""Characters of a password that is hidden inside of words, too."""

_passwords: set[str] = set()
"""Those of the addresses that this process was told, as they stand there and as they are meant."""


def tracking_uri(uri: str | None) -> str | None:
    """The store to use, None for none. From then on hidden() knows its password.

    Args:
        uri: as the user says it; "none" for none.

    Raises:
        UserError: where its password ends can't be told, or neither MLflow nor a plug-in has a store of its kind.
    """
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or TRACKING
    if uri == "none":
        return None
    authority, _, rest = re.sub(r"^[^/]*//", "", uri).partition("/")
    name, _, secret = authority.rpartition("@")[0].partition(":")
    unfinished = (
        "@" not in authority and ":" in authority and "@" in rest and not authority.rpartition(":")[2].isdigit()
    )
    if "://" in uri and ("@" in name or "@" in secret or unfinished):
        raise UserError("the tracking address: write '@' in its user name and password as %40, '/' as %2F")
    _passwords.update({secret, unquote(secret)} - {""})
    if _plugged(uri) is None:
        _check_scheme(uri)
    return uri


def mlflow_uri(uri: str | None) -> str | None:
    """The same where nothing but MLflow will do.

    Raises:
        UserError: as tracking_uri(), or it is a plug-in's.
    """
    store = tracking_uri(uri)
    if store is not None and (name := _plugged(store)) is not None:
        raise UserError(f"the tracking address: {name}: is no store of MLflow's; give one by --tracking-uri")
    return store


def tracker_of(uri: str) -> "Tracker":
    """The tracker for an address, as tracking_uri() gives it: a plug-in's where that begins with its name, as in
    csv:FILE, else MLflow's.
    """
    tracker: Tracker = plugins.load("trackers", _plugged(uri) or MLFLOW)(uri)
    return tracker


def is_mlflow(uri: str) -> bool:
    """Whether an address, as tracking_uri() gives it, is of a store of MLflow's."""
    return _plugged(uri) is None


def _plugged(uri: str) -> str | None:
    """The plug-in's tracker whose name an address begins with, None where there is none."""
    name, colon, _ = uri.partition(":")
    names = {point.name for point in entry_points(group="autotune.trackers")} - {MLFLOW}
    return name if colon and name in names else None


def _check_scheme(uri: str) -> None:
    """Holds a store's address against MLflow's kinds of store.

    Raises:
        UserError: MLflow has no store of this kind, nor has a plug-in of its.
    """
    words = re.match(r"([A-Za-z][A-Za-z0-9.-]+)(?:\+[\w.-]+)?:", uri)  # one letter is a drive
    scheme = words[1].lower() if words else ""
    schemes = SCHEMES | {plugin.name for plugin in entry_points(group="mlflow.tracking_store")}
    if scheme not in schemes:
        raise UserError(
            f"the tracking address: MLflow has no {scheme}: stores; it has {', '.join(sorted(schemes - {''}))}"
        )


def hidden(text: str) -> str:
    """A text to be shown or kept, without passwords of addresses.

    They are found by their place in an address, and wherever else they stand where tracking_uri() was told them.
    """
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    secrets = {os.environ.get(f"MLFLOW_TRACKING_{kind}", "") for kind in ("PASSWORD", "TOKEN")} | _passwords
    for secret in sorted(secrets - {""}, key=len, reverse=True):
        exact = re.escape(secret)
        text = re.sub(exact if len(secret) >= _LONG else rf"(?<!\w){exact}(?!\w)", _HIDDEN, text)
    return text
