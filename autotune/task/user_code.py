"""Functions in the user's own Python files, named FILE.py:FUNCTION. They may import TensorFlow: for workers."""

import hashlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType

from autotune.errors import UserError

_NAMED = re.compile(r"(?P<file>.+\.py):(?P<function>[^\W\d]\w*)", re.DOTALL)

Function = Callable[..., object]
"""A function of the user's: what it takes and gives, nobody has checked."""


def is_function(text: str | None) -> bool:
    """Whether a text is of the form FILE.py:FUNCTION."""
    return text is not None and _NAMED.fullmatch(text) is not None


def fingerprint(text: str) -> str:
    """What stands for a loss or metric in a key: of FILE.py:FUNCTION, the function's name and the file's content.

    Other texts stand for themselves. Nothing is imported.

    Raises:
        UserError: there is no such file.
    """
    if not is_function(text):
        return text
    path, name = _parts(text)
    return f"{name}@{hashlib.sha256(_content(path)).hexdigest()}"


def module(identifier: str) -> ModuleType:
    """The module of FILE.py:FUNCTION, imported once for each content of the file.

    Raises:
        UserError: the file is missing, or importing it fails.
    """
    path, _ = _parts(identifier)
    digest = hashlib.sha256(_content(path)).hexdigest()
    with guarded(identifier):
        return _imported(path.resolve(), digest)


def function(identifier: str) -> Function:
    """The function itself.

    Raises:
        UserError: as module(), or the file has no such function.
    """
    path, name = _parts(identifier)
    member: object = getattr(module(identifier), name, None)
    if not callable(member):
        raise UserError(f"{path}: has no function {name!r}")
    return member


def call(identifier: str, *arguments: object) -> object:
    """What the function returns.

    Raises:
        UserError: as function(), or the function fails: one line with the exception and where it was raised.
    """
    called = function(identifier)
    with guarded(identifier):
        return called(*arguments)


@contextmanager
def guarded(identifier: str) -> Iterator[None]:
    """A place for the user's code to run in: it can import its neighbours, and whatever it raises is one line.

    Raises:
        UserError: the exception, and the last line of the file that it came through.
    """
    path = _parts(identifier)[0].resolve()
    sys.path.insert(0, str(path.parent))
    try:
        yield
    except (Exception, SystemExit) as error:
        last = " ".join("".join(traceback.format_exception_only(error)[-1:]).split())[:300]
        raise UserError(f"{identifier}: {last}{_place(error, path)}") from error
    finally:
        with suppress(ValueError):  # the user's code may have removed it
            sys.path.remove(str(path.parent))


def _parts(identifier: str) -> tuple[Path, str]:
    match = _NAMED.fullmatch(identifier)
    if match is None:
        raise UserError(f"{identifier}: not of the form FILE.py:FUNCTION")
    return Path(match["file"]), match["function"]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror}") from error


@lru_cache
def _imported(path: Path, digest: str) -> ModuleType:
    name = f"_autotune_user_{path.stem}_{digest[:16]}"
    loader = SourceFileLoader(name, str(path))
    spec = ModuleSpec(name, loader, origin=str(path))
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _place(error: BaseException, path: Path) -> str:
    """The last line of the user's file that the exception came through, in parentheses."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f" ({path.name}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f" ({path.name}:{lines[-1]})" if lines else ""
