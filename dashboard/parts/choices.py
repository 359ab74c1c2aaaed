"""Choices that the link carries and that a person keeps from page to page: the widgets of `remember`, by the id of what is chosen.

Args of each: key: of the widget and in the link; label; options: {id: title}, or a sequence of ids that are shown as they are; default: an id; on: where
it is drawn; how: what else the widget takes. Returns: the id that is chosen.
"""

import streamlit as st

from dashboard.parts.link import remember, remember_several


def select(key, label, options, default, *, on=st, **how):
    """Draw a choice from a list."""
    return _draw(on.selectbox, key, label, options, default, **how)


def segments(key, label, options, default, *, on=st, **how):
    """Draw a choice of few, side by side."""
    return _draw(on.segmented_control, key, label, options, default, required=True, **how)


def steps(key, label, options, default, *, on=st, **how):
    """Draw a choice on a scale."""
    return _draw(on.select_slider, key, label, options, default, **how)


def number(key, label, options, default, **how):
    """Draw a choice of a whole number. Args: options: a range."""
    remember(key, options, default)
    return st.number_input(label, options[0], options[-1], key=key, persist_state="session", **how)


def several(key, label, options, default, **how):
    """Draw a choice of any number. Args: options: {id: title}; default: ids. Returns: the ids chosen, in the order of options."""
    chosen = remember_several(key, tuple(options), default)
    st.pills(label, list(options), selection_mode="multi", format_func=options.get, key=key, persist_state="session", **how)
    return chosen


def _draw(widget, key, label, options, default, **how):
    if isinstance(options, dict):
        how["format_func"], options = options.get, tuple(options)
    remember(key, options, default)
    return widget(label, options, key=key, persist_state="session", **how)
