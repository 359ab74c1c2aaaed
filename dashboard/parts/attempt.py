"""What a click may be refused: its sentence stands on the page that is drawn next."""

import streamlit as st

from core.errors import InputError
from dashboard.language import explain


def attempt(action, *arguments):
    """Carry out, in a callback, what may be refused, as by a disk or a line that is full; `refusal` says why then."""
    try:
        action(*arguments)
    except InputError as error:
        st.session_state["refusal"] = error


def refusal():
    """Say what kept the last `attempt` from being done, if anything did."""
    if error := st.session_state.pop("refusal", None):
        st.error(explain(error), icon=":material/block:")
