"""Trainings and packs of a person's own. They are known by names that nobody can guess, which the session and the link carry."""

import re

import streamlit as st

from core.errors import InputError
from core.packs import describe, own_folder
from dashboard import compute, making
from dashboard.session.presence import hold

LINKED = 6  # of each kind that a session shows and its link carries
NAME = re.compile(r"[\w-]{1,64}", re.ASCII)  # a link may say anything
KINDS = {"training": compute.trainings, "build": making.builds}


def names(kind):
    """Return the names of one kind that this session or its link knows, newest first. Args: kind: "training" or "build"."""
    if f"{kind}s" not in st.session_state:
        st.session_state[f"{kind}s"] = [name for name in dict.fromkeys(st.query_params.get(kind, "").split(",")) if NAME.fullmatch(name)][:LINKED]
    return st.session_state[f"{kind}s"]


def start(kind, arguments):
    """Start a training or a build and make it one of this session's. Raises: InputError as `core.packs.making.Makings.start`."""
    add(kind, KINDS[kind]().start(arguments).name)


def add(kind, name):
    """Make a training or a build one of this session's; the oldest beyond `LINKED` is no longer shown."""
    st.session_state[f"{kind}s"] = [name, *names(kind)][:LINKED]


def mine(kind):
    """Return this session's trainings or builds that are still there, newest first, and keep the link right. Args: kind: as `names`."""
    found = [one for one in map(KINDS[kind]().find, names(kind)) if one]
    for one in found:
        if one.busy:
            hold(kind, one.name, one.job.stop.set)
    st.session_state[f"{kind}s"] = [one.name for one in found]
    if found:
        st.query_params[kind] = ",".join(one.name for one in found)
    else:
        st.query_params.pop(kind, None)
    return found


def packs():
    """Return {name: Description} of all packs: those of everybody, then this session's own and the one that the link names."""
    found = compute.packs()
    for name in dict.fromkeys((*names("training"), *names("build"), st.query_params.get("pack", ""), st.session_state.get("pack", ""))):
        if name not in found and NAME.fullmatch(name or "") and (own_folder() / name / "pack.toml").is_file():
            try:
                found[name] = describe(own_folder() / name)
            except InputError:
                continue
    return found
