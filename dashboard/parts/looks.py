"""Measure the pictures that a page is about."""

import streamlit as st

from core.errors import InputError
from dashboard import compute
from dashboard.language import explain, t
from dashboard.language.text import plain
from dashboard.session import pictures


def look_at(settings, picture_ids):
    """Measure pictures once each; None stands for no picture.

    Returns: {id: `compute.Look`}, in the order given; what cannot be read gets its sentence on screen.
    """
    looks = {}
    for picture_id in dict.fromkeys(i for i in picture_ids if i is not None):
        try:
            looks[picture_id] = compute.look(settings.pack, picture_id, pictures.find(picture_id))
        except InputError as error:
            st.error(f"**{plain(pictures.title(picture_id))}**: {explain(error)}", icon=":material/broken_image:")
    if any(look.measured.fallback == "cpu" for look in looks.values()):
        st.caption(t("frame.fallback"))
    return looks
