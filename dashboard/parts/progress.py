"""How far work in the background has come, and what came of it."""

import time

import streamlit as st

from dashboard.language import explain, t


def progress(job, started, *, key, words, alike=True):
    """Draw how far work has come, and the way to end it.

    Args: started: by the monotonic clock; key: of the button; words: what it does; alike: whether its first part tells how long the rest will take.
    """
    seconds = time.monotonic() - started
    left = t("progress.left", seconds=f"{seconds * (job.total - job.done) / job.done:.0f}") if alike and job.done else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(min(job.done / max(job.total, 1), 1.0), f"{words} {left}")
        if st.button(t("progress.cancel"), icon=":material/close:", key=key, disabled=job.stop.is_set()):
            job.stop.set()


def ended(job):
    """Say why a job that has ended came to nothing."""
    if job.stopped:
        st.info(t("detect.bring_stopped"), icon=":material/cancel:")
    elif job.error:
        st.error(explain(job.error), icon=":material/error:")
    else:
        st.error(t("detect.bring_failed"), icon=":material/error:")
