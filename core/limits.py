"""What one server gives to all people together and to each of them, so that it says "busy" instead of dying."""

import os
from dataclasses import dataclass, fields

from core.errors import InputError

PREFIX = "BLOCKSCOPE_MAX_"


@dataclass(frozen=True)
class Limits:
    """Limits of a server, each at least 1. A field is set by the environment: BLOCKSCOPE_MAX_ and its name in capitals.

    Attributes:
        adaptations: runs that adapt at the same time; further ones wait.
        waiting: pieces of work in each line, of adaptations and of trainings and packs.
        pictures, person_mb: pictures that a person's session holds, and their megabytes; the oldest go first.
        upload_mb: megabytes of pictures that all sessions hold together.
        brought_mb: megabytes on disk of weights and folders that people brought.
        adapted_mb: megabytes of networks that adaptations which have ended keep, so that one can still ask them.
        unattended_seconds: how long work goes on that nobody watches any more.
    """

    adaptations: int = 4
    waiting: int = 50
    pictures: int = 200
    person_mb: int = 64
    upload_mb: int = 1024
    brought_mb: int = 8192
    adapted_mb: int = 1024
    unattended_seconds: int = 60


def limits():
    """Return the `Limits` that the environment sets. Raises: InputError for what is no whole number of at least 1."""
    found = {}
    for field in fields(Limits):
        name = PREFIX + field.name.upper()
        if text := os.environ.get(name, ""):
            if not text.isdecimal() or not 0 < int(text) < 10**9:
                raise InputError(f"{name} is {text!r}; set it to a whole number of at least 1, or leave it out.", key="limits.wrong", name=name, value=text)
            found[field.name] = int(text)
    return Limits(**found)


def room(waiting):
    """Refuse one more piece of work where too many wait in its line. Args: waiting: how many do. Raises: InputError."""
    if waiting >= limits().waiting:
        raise InputError(f"This server is busy: {waiting} others already wait for the same; try again in a few minutes.", key="limits.busy", n=waiting)
