"""Caches of what depends on a pack or on a picture. What is kept of a pack is forgotten when its files change. What comes of a picture that a person
brought is kept for that person's session alone, and goes with it.
"""

import functools
import inspect

import streamlit as st

from core.packs import describe

OWN = 100  # results of one function that a session keeps
NAMES = ("pack_name", "attacked")  # arguments that name a pack


def version(pack_name):
    """Return what a cache knows a pack's present files by. Raises: InputError if there is no such pack."""
    return (describe(pack_name).folder / "pack.toml").stat().st_mtime_ns


def per_pack(cache):
    """Cache a function by its arguments and by the present files of the packs that they name.

    Args: cache: a decorator as `st.cache_data(show_spinner=False)`; as there, what begins with an underscore is no part of the key.
    """

    def decorate(function):
        return _keyed(function, cache)

    return decorate


def per_picture(max_entries):
    """Cache a function as `per_pack` does, by its arguments, one of which is `picture_id`. Args: max_entries: for the pictures that everybody has."""

    def decorate(function):
        place = list(inspect.signature(function).parameters).index("picture_id")
        shared = _keyed(function, st.cache_data(show_spinner=False, max_entries=max_entries))
        own = _keyed(function, st.cache_data(show_spinner=False, max_entries=OWN, scope="session"))

        @functools.wraps(function)
        def cached(*args, **kwargs):
            picture_id = kwargs["picture_id"] if "picture_id" in kwargs else args[place]
            return (own if picture_id.startswith("upload:") else shared)(*args, **kwargs)

        cached.clear = shared.clear
        return cached

    return decorate


def _keyed(function, cache):
    signature = inspect.signature(function)

    def kept(key, _call):
        return _call()

    kept.__module__, kept.__qualname__ = function.__module__, function.__qualname__  # by which Streamlit tells caches apart
    kept = cache(kept)

    @functools.wraps(function)
    def cached(*args, **kwargs):
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        key = {name: value for name, value in given.arguments.items() if not name.startswith("_")}
        return kept((key, [version(key[name]) for name in NAMES if name in key]), lambda: function(*args, **kwargs))

    cached.clear = kept.clear
    return cached
