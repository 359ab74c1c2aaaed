"""Who still holds what: work that nobody watches any more is ended, and what was brought for it goes, once its people have left.

A reload makes a new session, which finds its work by the link; so what a session held stays for a while after it has gone.
"""

import logging
import threading
import time
from dataclasses import dataclass, field

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.limits import limits

LOOK = 2.0  # seconds between two looks at who is still there
RECENT = 5.0  # seconds within which a page that draws itself has drawn itself once more


@dataclass
class Held:
    """One thing that sessions hold: `end`, what to do when they have all gone; `by`, {session: when it last said so}; `seen`, when one was last there."""

    end: object
    by: dict = field(default_factory=dict)
    seen: float = field(default_factory=time.monotonic)


class Presence:
    """What the sessions of a server hold, by a key. Every method may be called from any thread."""

    def __init__(self, is_here=None):
        """Args: is_here: tells of a session whether its person is still there; by default as the server knows it."""
        self._is_here, self._held, self._lock, self._watching = is_here or _connected, {}, threading.Lock(), False

    def hold(self, session, key, end):
        """Let a session hold something, until it has gone. Args: key: a tuple, its kind first; end: what is called when no session holds it any more."""
        with self._lock:
            held = self._held.setdefault(key, Held(end))
            held.end = end
            held.by[session] = held.seen = time.monotonic()
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="presence", daemon=True).start()

    def crowd(self, kind):
        """Return how many things of a kind some page has drawn within `RECENT` seconds."""
        now = time.monotonic()
        with self._lock:
            return sum(key[0] == kind and max(held.by.values(), default=0) > now - RECENT for key, held in self._held.items())

    def look(self):
        """End what nobody holds any more."""
        patience, now, left = limits().unattended_seconds, time.monotonic(), []
        with self._lock:
            for key, held in list(self._held.items()):
                held.by = {session: at for session, at in held.by.items() if self._is_here(session)}
                if held.by:
                    held.seen = now
                elif now - held.seen >= patience:
                    left.append(self._held.pop(key))
        for held in left:
            held.end()

    def _watch(self):
        """Look from time to time, until nothing is held."""
        while True:
            time.sleep(LOOK)
            try:
                self.look()
            except Exception:  # the next look must come: what fails here is nobody's page
                logging.getLogger(__name__).exception("what was left behind could not be ended")
            with self._lock:
                if not self._held:
                    self._watching = False
                    return


@st.cache_resource(show_spinner=False)
def presence():
    """Return the `Presence` of this server."""
    return Presence()


def hold(kind, name, end):
    """Let the session in use hold something, until its person has gone; what is begun without one goes on."""
    if session() is not None:
        presence().hold(session(), (kind, name), end)


def session():
    """Return the id of the session in use, or None outside of a page."""
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context else None


def _connected(session):
    return not runtime.exists() or runtime.get_instance().is_active_session(session)
