"""Measure pictures that report under every common corruption, in the background. What was measured is the same for all, and kept by the server."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

import streamlit as st

from core import jobs
from core.corruptions import COMMON, SEVERITIES
from core.errors import InputError
from dashboard.language import explain, t
from dashboard.parts import pictures
from dashboard.parts.link import remember

SIZES = (100, 200, 400)  # pictures under each corruption
KEPT = 24


@dataclass(frozen=True)
class Measured:
    """What a measurement found: `activations` {"clean" or a corruption: Activations of N pictures}, `labels` (N,) int64 array."""

    activations: dict
    labels: object


@dataclass
class Work:
    key: tuple
    job: object
    started: float = field(default_factory=time.monotonic)


@st.cache_resource(show_spinner=False)
def _kept():
    return OrderedDict(), threading.Lock()


def under_corruptions(settings, loaded, rows):
    """Draw the choice, how far the work has come, and the way to start it.

    Args: loaded: the `Pack`; rows: of its held-out pictures, those that may be looked at. Returns: (`Measured` or None, severity).
    """
    remember("trust_severity", SEVERITIES, 3)
    remember("each", SIZES, SIZES[1])
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        severity = st.segmented_control(t("corruptions.severity"), SEVERITIES, required=True, key="trust_severity", persist_state="session")
        each = st.segmented_control(t("trust.each"), SIZES, required=True, key="each", persist_state="session", help=t("trust.each_help"))
        key = settings.pack, settings.facts.get("files", {}).get("weights.safetensors", ""), severity, each
        kept, _ = _kept()
        work = st.session_state.get("trust_work")
        busy = work is not None and work.job.running
        ids = [pictures.row_id(settings.facts, "held_out", int(row)) for row in rows[:each]]
        there = pictures.can_open(ids[0])
        if key not in kept:
            st.button(
                t("trust.measure"), icon=":material/play_arrow:", key="trust_measure", disabled=busy or not there, on_click=_start, args=(key, loaded, ids)
            )
    if busy:
        _progress(work)
    elif work is not None and work.key not in kept:
        _ended(work)
    if key not in kept and not there:
        st.info(t("trust.no_pictures"), icon=":material/image_not_supported:")
    return kept.get(key), severity


def measure(job, key, loaded, items):
    """Decode and measure `Item`s, and keep what was found under the key. Raises: Stopped soon after `job.stop` is set; InputError if none can be read."""
    from core.corruptions.measured import measure_corrupted
    from core.images.sources import decode_batch

    batch = decode_batch(items, loaded.preprocessing)
    if not len(batch.images):
        raise InputError("None of these files is a picture that can be read.", key="source.unreadable")
    found = Measured(measure_corrupted(loaded, batch.images, key[2], progress=job.report), batch.labels.numpy())
    kept, lock = _kept()
    with lock:
        kept[key] = found
        while len(kept) > KEPT:
            kept.popitem(last=False)
    return found


def _start(key, loaded, ids):
    items = [pictures.find(i) for i in ids if pictures.can_open(i)]
    job = jobs.start(measure, key, loaded, items)
    job.total = len(items) * (1 + len(COMMON))
    st.session_state["trust_work"] = Work(key, job)


@st.fragment(run_every=0.5)
def _progress(work):
    """Draw how far the work has come, twice a second until it ends; then the whole page is drawn anew."""
    job = work.job
    if not job.running:
        st.rerun()
    seconds = time.monotonic() - work.started
    left = t("detect.bring_left", seconds=f"{seconds * (job.total - job.done) / job.done:.0f}") if job.done else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(min(job.done / max(job.total, 1), 1.0), f"{t('trust.progress', done=job.done, total=job.total, severity=work.key[2])} {left}")
        if st.button(t("detect.bring_cancel"), icon=":material/close:", key="trust_cancel", disabled=job.stop.is_set()):
            job.stop.set()


def _ended(work):
    """Say why work that has ended came to nothing."""
    if work.job.stopped:
        st.info(t("detect.bring_stopped"), icon=":material/cancel:")
    elif work.job.error:
        st.error(explain(work.job.error), icon=":material/error:")
    else:
        st.error(t("detect.bring_failed"), icon=":material/error:")
