"""Caches of what depends on a picture. What comes of a picture that a person brought is kept for that person's session alone, and goes with it."""

import functools
import inspect

import streamlit as st

OWN = 100  # results of one function that a session keeps


def per_picture(max_entries):
    """Cache a function as `st.cache_data` does, by its arguments, one of which is `picture_id`. Args: max_entries: for the pictures that everybody has."""

    def decorate(function):
        place = list(inspect.signature(function).parameters).index("picture_id")
        shared = st.cache_data(function, show_spinner=False, max_entries=max_entries)
        own = st.cache_data(function, show_spinner=False, max_entries=OWN, scope="session")

        @functools.wraps(function)
        def cached(*args, **kwargs):
            picture_id = kwargs["picture_id"] if "picture_id" in kwargs else args[place]
            return (own if picture_id.startswith("upload:") else shared)(*args, **kwargs)

        cached.clear = shared.clear
        return cached

    return decorate
