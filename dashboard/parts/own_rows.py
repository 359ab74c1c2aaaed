"""Trainings and packs of a person's own as rows: how far each is, and what can be done with it."""

import streamlit as st

from dashboard.language import explain, t
from dashboard.parts import own
from dashboard.parts.attempt import attempt


def rows(kind, draw):
    """Draw what this session has made or makes, each second while something runs. For fragments only. Args: kind: as in `own`; draw: of the list."""
    if st.session_state.pop("own_used", False):
        st.rerun()  # the sidebar too
    mine = own.mine(kind)
    if any(one.busy for one in mine):
        _live(kind, draw)
    elif mine:
        draw(mine)


@st.fragment(run_every=1.0)
def _live(kind, draw):
    """The last drawing is for the whole page: a click on what a fragment drew is lost when that goes."""
    mine = own.mine(kind)
    if st.session_state.get("own_used") or not any(one.busy for one in mine):
        st.rerun()
    draw(mine)


def row(one, held, title, *, running, outcome, more=None):
    """Draw one training or build.

    Args: one: a `Making`; held: the `Makings` that it is of; running: function that returns (share done, words); outcome: function that says what came
    of it, "" where that is said elsewhere; more: function that draws further buttons of one that is done.
    """
    state, key = one.state, f"own_{one.name}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if state == "waiting":
            st.progress(0.0, f"{title}: {t('own.waiting', n=held.ahead(one))}")
        elif state == "running":
            share, words = running()
            st.progress(min(share, 1.0), f"{title}: {words}")
        elif words := _failure(one) if state == "failed" else outcome():
            st.markdown(f"{title}: {words}", width="stretch")
        if one.busy:
            st.button(t("progress.cancel"), icon=":material/stop:", key=f"{key}_cancel", disabled=one.job.stop.is_set(), on_click=one.job.stop.set)
            return
        if state == "done":
            used = st.session_state.get("pack") == one.name
            st.button(t("own.use"), icon=":material/check:", key=f"{key}_use", on_click=_use, args=(one.name,), disabled=used)
            if more is not None:
                more()
        else:
            st.button(t("own.resume"), icon=":material/resume:", key=f"{key}_resume", on_click=attempt, args=(held.resume, one))
        st.button(t("own.remove"), icon=":material/delete:", key=f"{key}_remove", on_click=attempt, args=(held.remove, one))


def left(one):
    """Say how long a training or build will take on, "" before that can be told."""
    return "" if one.seconds_left is None else t("progress.left", seconds=f"{one.seconds_left:.0f}")


def _failure(one):
    return explain(one.job.error) if one.job.error else t("own.failed")


def _use(name):
    st.session_state["pack"], st.session_state["own_used"] = name, True
