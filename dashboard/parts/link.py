"""Links: choices that they carry by id, so that `?sort=ratio` means the same in every language, and the way to another page.

Streamlit's own `bind="query-params"` writes what is on screen, which is another text in another language.
"""

from contextlib import suppress

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from dashboard.session import pictures


def remember(key, options, default):
    """Give a widget its value just before it is drawn, and the link too: as chosen, else as the link says, else the default.

    Args: key: of the widget and in the link; options: a sequence of ids, or a range of whole numbers.
    """
    if key not in st.session_state or st.session_state[key] not in options:
        wish = _read(st.query_params.get(key, ""), options)
        st.session_state[key] = default if wish is None else wish
    value = st.session_state[key]
    if value != default:
        st.query_params[key] = str(value)
    else:
        st.query_params.pop(key, None)


def remember_several(key, options, default):
    """As `remember`, for a widget with several choices: ids separated by commas in the link. Returns: what is chosen, in the order of options."""
    if key not in st.session_state:
        asked = st.query_params.get(key)
        wish = [name for name in options if name in (asked or "").split(",")]
        st.session_state[key] = wish if wish or asked == "" else [name for name in default if name in options]
    value = [name for name in options if name in st.session_state[key]]
    if len(value) < len(st.session_state[key]):  # options have changed
        st.session_state[key] = value = value or [name for name in options if name in default]
    if value != [name for name in options if name in default]:
        st.query_params[key] = ",".join(value)
    else:
        st.query_params.pop(key, None)
    return value


def to_page(page, label, *, icon):
    """Draw a link to another page that takes the picture along. A page that runs alone, as in tests, has no other: nothing is drawn."""
    primary = pictures.primary()
    query = {"picture": primary} if primary and not primary.startswith("upload:") else None
    with suppress(StreamlitPageNotFoundError):
        st.page_link(page, label=label, icon=icon, query_params=query)


def _read(text, options):
    if isinstance(options, range):
        return int(text) if text.isdecimal() and len(text) < 20 and int(text) in options else None
    return next((option for option in options if text in (str(option), f"{option:g}" if isinstance(option, float) else None)), None)
