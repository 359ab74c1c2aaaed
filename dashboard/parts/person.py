"""Whose is what is kept? The signed-in user's, else that of the browser, which carries a name that nobody can guess."""

import hashlib
import re
import secrets

import streamlit as st

from core.errors import InputError
from dashboard import compute
from dashboard.language import explain, t
from dashboard.signin import signed_in

COOKIE = "blockscope_person"
YEAR = 365 * 24 * 3600  # seconds
_SET = """export default function(c) {
  const secure = location.protocol === 'https:' ? '; Secure' : '';
  document.cookie = `${c.data.name}=${c.data.value}; Max-Age=${c.data.seconds}; Path=/; SameSite=Lax${secure}`;
}"""


def owner():
    """Return what the run store knows this person by: a hash, which does not tell the name."""
    return hashlib.sha256(_person().encode()).hexdigest()[:32]


def forget_button(run, *, then=None):
    """Draw the button that deletes a kept run, for whoever owns it. Args: then: what else is to be done."""
    if run.owner == owner():
        st.button(t("runs.forget"), icon=":material/delete:", key=f"forget_{run.id}", on_click=_forget, args=(run.id, then))
    if error := st.session_state.pop("forget_failed", None):
        st.error(explain(error), icon=":material/error:")


def _forget(run_id, then):
    try:
        compute.forget_run(run_id)
    except InputError as error:
        st.session_state["forget_failed"] = error
        return
    if then is not None:
        then()


def remember_person():
    """Let the browser carry the name, so that the next visit finds what this one kept."""
    if not signed_in() and _carried() is None:
        data = {"name": COOKIE, "value": _person(), "seconds": YEAR}
        st.components.v2.component("person", js=_SET)(data=data, key="person_cookie")


def _person():
    if signed_in():
        return f"user:{st.user.get('iss', '')}:{st.user.get('sub') or st.user.get('email')}"
    return _carried() or st.session_state.setdefault("person", secrets.token_urlsafe(24))


def _carried():
    value = str(st.context.cookies.get(COOKIE, ""))
    return value if re.fullmatch(r"[\w-]{32}", value) else None
