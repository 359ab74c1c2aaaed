"""What this program logs: one record a line, as JSON or as text, and the latest of them in memory for whoever looks for a fault.

A record says what happened, how long it took and in which session, a random word that stands for no person. No file's name, no picture and no sentence
that somebody's file may have shaped is in it: our own messages are fixed words and `FIELDS`; of a library's message it is the template without its values,
and of an exception its type and where it was raised. Text on stderr is for who runs the program, and tells exceptions in full.
"""

import json
import logging
import os
import sys
import threading
from collections import deque
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

from core.errors import InputError

VARIABLE = "BLOCKSCOPE_LOG"
STYLES = ("", "plain", "json")  # by default warnings alone, as text; else everything
FIELDS = ("session", "page", "command", "path", "job", "ended", "seconds", "files", "bytes", "status", "key")  # that records may carry
OURS = ("core", "dashboard", "blockscope")
SERVERS = ("uvicorn", "uvicorn.error")
SENDER, GONE = "streamlit.web.server.starlette.starlette_websocket", "WebSocketDisconnected"  # who sends to browsers, and Starlette's word for one that left
KEPT = 1000  # records in memory
TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
ROOT = Path(__file__).parents[1]

_about, _lock = ContextVar("about", default={}), threading.Lock()  # noqa: B039  never changed, only replaced


def set_up(*, keep=False):
    """Send what this process logs where `VARIABLE` says. Without it a process that keeps nothing logs as Python does; to call it again does no harm.

    Args: keep: whether the latest records are kept in memory, for `latest`.
    Raises: InputError if there is no such style.
    """
    style = os.environ.get(VARIABLE, "")
    if style not in STYLES:
        raise InputError(f"{VARIABLE} is {style!r}; say plain or json, or leave it out.", key="logs.style", style=style)
    root = logging.getLogger()
    with _lock:
        there = {type(handler) for handler in root.handlers}
        if (style or keep) and _Stderr not in there:
            root.addHandler(_Stderr(style))
        if keep and _Ring not in there:
            root.addHandler(_Ring())
        if style or keep:
            for name in OURS:
                logging.getLogger(name).setLevel(logging.INFO)
            _adopt()


def latest():
    """Return the latest records, oldest first, each a line of JSON; none where none are kept."""
    return [line for handler in logging.getLogger().handlers if isinstance(handler, _Ring) for line in tuple(handler.lines)]


@contextmanager
def about(**fields):
    """Let every record that this thread logs meanwhile carry fields. Args: fields: of `FIELDS`."""
    token = _about.set(_about.get() | fields)
    try:
        yield
    finally:
        _about.reset(token)


def document(record):
    """Return what is told of a record, as plain data."""
    ours = record.name.partition(".")[0] in OURS
    told = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "message": record.getMessage() if ours else str(record.msg),
    }
    told |= {name: vars(record)[name] for name in FIELDS if name in vars(record)}
    if record.exc_info and record.exc_info[1] is not None:
        told["error"] = _raised(record.exc_info[1])
    return told


class _Stderr(logging.StreamHandler):
    """Writes to whatever stderr is at the time. Args: style: of `STYLES`."""

    def __init__(self, style):
        logging.Handler.__init__(self)
        self.style, self.formatter = style, logging.Formatter(TEXT)

    @property
    def stream(self):
        return sys.stderr

    def filter(self, record):
        return _carry(record) if self.style or record.levelno >= logging.WARNING else False

    def format(self, record):
        return _json(record) if self.style == "json" else super().format(record) + _fields(record)


class _Ring(logging.Handler):
    """Keeps lines, not records: an exception holds on to whatever its frames held, pictures too."""

    def __init__(self):
        super().__init__()
        self.lines = deque(maxlen=KEPT)

    def emit(self, record):
        self.lines.append(_json(_carry(record)))


def _carry(record):
    """Return a record with the fields of its thread, which it keeps wherever it goes."""
    for name, value in _about.get().items():
        vars(record).setdefault(name, value)
    return record


def _adopt():
    """Let loggers that write for themselves, as Streamlit's and its server's do, write through the root's handlers alone."""
    for name in SERVERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.WARNING)  # else each connection is told
        logger.propagate = True
    for name in (*SERVERS, SENDER):
        logging.getLogger(name).addFilter(_matters)
    for made in tuple(logging.Logger.manager.loggerDict.values()):
        own = getattr(made, "streamlit_console_handler", None)
        if isinstance(made, logging.Logger) and own in made.handlers:
            made.removeHandler(own)
            made.propagate = True


def _matters(record):
    """Tell whether a record is more than that a browser has gone while something was sent to it, which Streamlit and its server tell by a stack trace."""
    return not (record.exc_info and record.exc_info[0] is not None and record.exc_info[0].__name__ == GONE)


def _json(record):
    return json.dumps(document(record), ensure_ascii=False, default=str)


def _fields(record):
    return "".join(f" {name}={vars(record)[name]}" for name in FIELDS if name in vars(record))


def _raised(error, depth=4):
    """Return an exception without its words: its type, the places it came through, and what it came of."""
    places, step = [], error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        places.append(f"{_place(code.co_filename)}:{step.tb_lineno} {code.co_name}")
        step = step.tb_next
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    told = {"type": type(error).__qualname__, "trace": places}
    if isinstance(error, InputError) and error.key:
        told["key"] = error.key
    return told | ({"because": _raised(cause, depth - 1)} if cause is not None and depth else {})


def _place(file):
    """Return where a source file lies within this program or its libraries: no folder of anybody's."""
    path = Path(file)
    if path.is_relative_to(ROOT) and "site-packages" not in path.parts:
        return path.relative_to(ROOT).as_posix()
    parts = path.parts
    return "/".join(parts[parts.index("site-packages") + 1 :]) if "site-packages" in parts else path.name
