"""Reads a Django project's settings for `cloakroom config from-django`.

The files of this folder are run as one program, in the order of their names. Arguments: the
settings module, or "" for that of manage.py; the project's folder. It prints one JSON object: what
Cloakroom needs of the settings, or {"problem": ...}. What can be translated is decided in Go.
"""

import contextlib
import enum
import json
import os
import sys
import traceback

asked, project = sys.argv[1:3]
sys.argv = ["manage.py", "check"]  # some settings look at the command


class Problem(Exception):
    """Says that something cannot be read: what, and Python's own line for it."""

    def __init__(self, what, error, **more):
        super().__init__(what)
        self.facts = {"what": what, "error": error, **more}


@contextlib.contextmanager
def reading(what):
    """Makes any exception a Problem of what."""
    try:
        yield
    except Problem:
        raise
    except (Exception, SystemExit) as error:
        raise Problem(
            what,
            described(error),
            place=place(error),
            missing=getattr(error, "name", None) or "" if isinstance(error, ModuleNotFoundError) else "",
            variable=str(error.args[0]) if is_of_environ(error) else "",
            exits=isinstance(error, SystemExit),
        ) from error


def described(error):
    """Returns the line that Python prints for an exception, and that of its cause."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    text = " ".join(str(error).split())
    line = f"{name}: {text}" if text else name
    if error.__cause__ is None or str(error.__cause__) in text:
        return line
    return f"{line}, caused by {described(error.__cause__)}"


def place(error):
    """Returns the innermost line of the project's own code, as in "conf.py, line 3", or ""."""
    found = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith("<") or "site-packages" in frame.filename:
            continue
        path = os.path.relpath(frame.filename, project)
        if not path.startswith(".."):
            found = f"{path}, line {frame.lineno}"
    return found


def is_of_environ(error):
    """Reports whether os.environ raised an exception."""
    frames = traceback.extract_tb(error.__traceback__)
    return isinstance(error, KeyError) and bool(frames) and frames[-1].filename in (os.__file__, "<frozen os>")


def text(value, what):
    """Returns a setting as text: lazy strings evaluated, bytes decoded."""
    try:
        value = bytes(value).decode() if isinstance(value, (bytes, bytearray)) else str("" if value is None else value)
        value.encode()
    except UnicodeError:
        raise Problem(what, "it is not text in UTF-8") from None
    return value


def path_of(thing):
    """Returns the dotted path of a class or function."""
    return f"{thing.__module__}.{thing.__qualname__}"


PLAIN = (str, bytes, bytearray, bool, int, float, dict, list, tuple, set, type(None))


def options(values, what):
    """Returns options as text: classes, functions and other objects by their paths, None as None."""
    from django.utils.functional import LazyObject, Promise

    result = {}
    for name, value in values.items():
        if isinstance(value, (LazyObject, Promise)):
            value = str(value)
        elif isinstance(value, enum.Enum):
            value = value.name
        elif hasattr(value, "__qualname__"):
            value = path_of(value)
        elif not isinstance(value, PLAIN):
            value = path_of(type(value))
        result[str(name)] = None if value is None else text(value, f"{what} {name}")
    return result
