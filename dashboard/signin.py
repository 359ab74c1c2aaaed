"""Who may come in. Where Streamlit's secrets have a section [auth], people sign in with its provider (OpenID Connect) first; else everybody is in.

`BLOCKSCOPE_USERS` names who may, `BLOCKSCOPE_ADMINS` who sees the page about the server: addresses, and whole domains as @example.org, separated by commas.
Whatever is wrong with these settings keeps people out: an open door would not be noticed.
"""

import os
from importlib.util import find_spec
from pathlib import Path

import streamlit as st

from core.errors import InputError
from dashboard.language import explain, t
from dashboard.language.document import tell_language

USERS, ADMINS = "BLOCKSCOPE_USERS", "BLOCKSCOPE_ADMINS"


def providers():
    """Return the names by which `st.login` knows the providers, None for one without a name; () where nobody signs in.

    Raises: InputError if the settings contradict each other or something is missing for them.
    """
    section = _section()
    if section is None:
        if os.environ.get(USERS):
            raise InputError(
                f"{USERS} says who may come in, but nobody can sign in: .streamlit/secrets.toml has no section [auth].", key="signin.no_section", name=USERS
            )
        return ()
    if find_spec("authlib") is None:
        raise InputError("Signing in needs Authlib: python -m pip install -r requirements-signin.txt", key="signin.authlib")
    named = tuple(name for name, value in section.items() if hasattr(value, "items") and "client_id" in value)
    missing = [name for name in ("redirect_uri", "cookie_secret") if not section.get(name)]
    if missing or not ("client_id" in section or named):
        name = missing[0] if missing else "client_id"
        raise InputError(f"The section [auth] of .streamlit/secrets.toml lacks {name}; docs/operations.md shows a whole one.", key="signin.lacks", name=name)
    return (*((None,) if "client_id" in section else ()), *named)


def inside():
    """Tell whether this person may see pages."""
    try:
        return not providers() or (signed_in() and _listed(USERS))
    except InputError:
        return False


def administers():
    """Tell whether this person may see the page about the server: everybody inside, unless `BLOCKSCOPE_ADMINS` names some."""
    return inside() and (not os.environ.get(ADMINS) or (signed_in() and _listed(ADMINS)))


def door():
    """Draw the way in for whoever is not inside: the sentence that says why, and the buttons to sign in or out."""
    tell_language()
    st.title(t("signin.title"))
    try:
        ways = providers()
    except InputError as error:
        st.error(explain(error), icon=":material/key_off:")
        return
    if signed_in():
        st.error(t("signin.refused", who=_address() or t("signin.nobody")), icon=":material/block:")
        st.button(t("signin.other"), icon=":material/logout:", on_click=st.logout)
        return
    st.markdown(t("signin.why"))
    for way in ways:
        words = t("signin.in") if way is None else t("signin.in_with", name=way.capitalize())
        st.button(words, icon=":material/login:", key=f"signin_{way}", on_click=st.login, args=(way,) if way else ())


def way_out():
    """Draw who is signed in, and the way out, at the end of the sidebar; nothing where nobody signs in."""
    if providers():
        with st.sidebar:
            st.caption(t("signin.as", who=_address() or t("signin.nobody")))
            st.button(t("signin.out"), icon=":material/logout:", key="signin_out", on_click=st.logout)


def named(address, allowed):
    """Tell whether a list of addresses and domains names an address. Args: allowed: as in `BLOCKSCOPE_USERS`; upper and lower case are the same."""
    address = address.strip().casefold()
    wanted = {word.strip().casefold() for word in allowed.split(",")} - {""}
    return "@" in address and (address in wanted or f"@{address.rpartition('@')[2]}" in wanted)


def _section():
    """Return the section [auth] of the secrets, or None where there is none. Raises: InputError if a file of secrets is there and cannot be read."""
    try:
        return st.secrets.get("auth")
    except (OSError, ValueError) as error:  # Streamlit's own error, that there is no file, is one
        if any(Path(file).exists() for file in st.get_option("secrets.files")):
            raise InputError("The file of secrets (.streamlit/secrets.toml) cannot be read; mend it and start anew.", key="signin.unreadable") from error
        return None


def signed_in():
    """Tell whether somebody has signed in."""
    return bool(st.user.get("is_logged_in"))


def _address():
    """Return the address that the provider vouches for, or ""; one that it says is not confirmed is anybody's."""
    return str(st.user.get("email") or "") if st.user.get("email_verified") is not False else ""


def _listed(variable):
    allowed = os.environ.get(variable)
    return not allowed or named(_address(), allowed)
