"""Offer to download CIFAR-10 where it is not there yet: on a click, with progress, and a sentence if it fails."""

import streamlit as st

from core import jobs
from core.images.sources import download, download_size, downloaded
from dashboard.language import explain, t

NAME = "CIFAR10"


def offer_download():
    """Draw the offer, the progress or the failure; draws nothing once the pictures are there."""
    job = st.session_state.get("download")
    if job is not None and job.running:
        _progress(job)
        return
    if job is not None:
        job.check()
    if downloaded(NAME):
        return
    if job is not None and job.error:
        st.error(explain(job.error), icon=":material/cloud_off:")
    st.caption(t("download.why"))
    st.button(t("download.button"), icon=":material/download:", on_click=_start)


@st.fragment(run_every=1.0)
def _progress(job):
    """Draw how much has arrived, every second until it ends; then the whole page is drawn anew."""
    if not job.running:
        st.rerun()
    share = min(download_size(NAME), 1.0)
    st.progress(share, t("download.progress", percent=f"{100 * share:.0f}"))


def _start():
    st.session_state["download"] = jobs.start(lambda job: download(NAME))
