"""What a page tells the browser about itself."""

import streamlit as st

from dashboard.language import language

# The browser may run the script of an element that it has replaced meanwhile: only the one on the page speaks.
_SET_LANGUAGE = "export default function(c) { if (c.parentElement.isConnected) document.documentElement.lang = c.data.lang; }"


def tell_language():
    """Let the document say in which language it is, for those who hear it."""
    st.components.v2.component("document_language", js=_SET_LANGUAGE)(data={"lang": language()}, key=f"document_language_{language()}")
