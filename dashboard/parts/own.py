"""Trainings and packs of a person's own. They are known by names that nobody can guess, which the session and the link carry."""

import re

import streamlit as st

from core.errors import InputError
from core.packs import describe, own_folder
from dashboard import compute

LINKED = 6  # trainings that a session shows and its link carries


def names():
    """Return the names of the trainings that this session or its link knows, newest first."""
    if "trainings" not in st.session_state:
        st.session_state["trainings"] = [name for name in dict.fromkeys(st.query_params.get("training", "").split(",")) if name][:LINKED]
    return st.session_state["trainings"]


def trainings():
    """Return this session's trainings that are still there, newest first, and keep the link right."""
    held = compute.trainings()
    found = [one for one in map(held.find, names()) if one]
    st.session_state["trainings"] = [one.name for one in found]
    if found:
        st.query_params["training"] = ",".join(one.name for one in found)
    else:
        st.query_params.pop("training", None)
    return found


def add(name):
    """Make a training one of this session's; the oldest beyond `LINKED` is no longer shown."""
    st.session_state["trainings"] = [name, *names()][:LINKED]


def packs():
    """Return {name: Description} of all packs: those of everybody, then this session's own and the one that the link names."""
    found = compute.packs()
    for name in dict.fromkeys((*names(), st.query_params.get("pack", ""), st.session_state.get("pack", ""))):
        if name not in found and re.fullmatch(r"[\w-]+", name or "") and (own_folder() / name / "pack.toml").is_file():
            try:
                found[name] = describe(own_folder() / name)
            except InputError:
                continue
    return found
