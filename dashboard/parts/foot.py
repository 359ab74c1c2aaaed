"""The foot of a page: how it is computed, the lines that do the same without it, and the way along the path from a picture to a model of one's own."""

import streamlit as st

from dashboard.language import t
from dashboard.parts.link import to_page

PATH = ("verdict", "blocks", "detector", "confidence", "trust", "training", "corruptions", "adaptation", "workshop")  # each page leads on to the next


def how(title, *paragraphs):
    """Draw, folded, how what the page shows is computed. Args: paragraphs: (sentences, *formulas in LaTeX). Returns: the place, for what else belongs there."""
    place = st.expander(title, icon=":material/school:")
    with place:
        for sentences, *formulas in paragraphs:
            st.markdown(sentences)
            for formula in formulas:
                st.latex(formula)
    return place


def in_code(title, *lines, caption=None, icon=":material/code:"):
    """Draw, folded, the lines of Python that compute what the page shows. Args: caption: a sentence below them. Returns: the place."""
    place = st.expander(title, icon=icon)
    with place:
        code(*lines)
        if caption:
            st.caption(caption)
    return place


def on_command_line(title, command, *, caption=None):
    """Draw, folded, the command that does what the page does."""
    in_code(title, command, caption=caption, icon=":material/terminal:")


def code(*lines):
    """Draw lines to copy."""
    st.code("\n".join(lines), language=None, wrap_lines=True)


def ways(page):
    """Draw the links to the page before a page of `PATH` and to the one after it; the last leads on to the first."""
    at = PATH.index(page)
    with st.container(horizontal=True, gap="large"):
        if at:
            _way("back", PATH[at - 1], icon=":material/arrow_back:")
        _way("next", PATH[(at + 1) % len(PATH)], icon=":material/arrow_forward:")


def _way(which, page, *, icon):
    to_page(f"views/{page}.py", t(f"path.{which}", page=t(f"path.to_{page}")), icon=icon)
