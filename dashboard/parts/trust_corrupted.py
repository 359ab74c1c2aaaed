"""Measure pictures that report under every common corruption, in the background. What was measured is the same for all, and kept by the server."""

from dataclasses import dataclass

import streamlit as st

from core.corruptions import COMMON, SEVERITIES
from core.errors import InputError
from dashboard.language import t
from dashboard.parts import choices
from dashboard.parts.progress import ended, progress
from dashboard.session import background, pictures

SIZES = (100, 200, 400)  # pictures under each corruption
KEPT = 24


@dataclass(frozen=True)
class Measured:
    """What a measurement found: `activations` {"clean" or a corruption: Activations of N pictures}, `labels` (N,) int64 array."""

    activations: dict
    labels: object


@st.cache_resource(show_spinner=False)
def kept():
    """Return the measurements of this server: `Measured`."""
    return background.Kept(KEPT)


def under_corruptions(settings, loaded, rows):
    """Draw the choice, how far the work has come, and the way to start it.

    Args: loaded: the `Pack`; rows: of its held-out pictures, those that may be looked at. Returns: (`Measured` or None, severity).
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        severity = choices.segments("trust_severity", t("corruptions.severity"), SEVERITIES, 3)
        each = choices.segments("each", t("trust.each"), SIZES, SIZES[1], help=t("trust.each_help"))
        key = settings.pack, settings.facts.get("files", {}).get("weights.safetensors", ""), severity, each
        work = st.session_state.get("trust_work")
        busy = work is not None and work.job.running
        ids = [pictures.row_id(settings.facts, "held_out", int(row)) for row in rows[:each]]
        there = pictures.can_open(ids[0])
        if key not in kept():
            st.button(
                t("trust.measure"), icon=":material/play_arrow:", key="trust_measure", disabled=busy or not there, on_click=_start, args=(key, loaded, ids)
            )
    if busy:
        _progress(work)
    elif work is not None and work.keys[0] not in kept():
        ended(work.job)
    if key not in kept() and not there:
        st.info(t("trust.no_pictures"), icon=":material/image_not_supported:")
    return kept().get(key), severity


def measure(loaded, items, severity, progress):
    """Decode and measure `Item`s. Returns: `Measured`. Raises: what `progress` raises; InputError if none can be read."""
    from core.corruptions.measured import measure_corrupted
    from core.images.sources import decode_batch

    batch = decode_batch(items, loaded.preprocessing)
    if not len(batch.images):
        raise InputError("None of these files is a picture that can be read.", key="source.unreadable")
    return Measured(measure_corrupted(loaded, batch.images, severity, progress=progress), batch.labels.numpy())


def _start(key, loaded, ids):
    items, severity = [pictures.find(i) for i in ids if pictures.can_open(i)], key[2]
    task = background.Task(key, f"{severity}", lambda report: measure(loaded, items, severity, report))
    st.session_state["trust_work"] = kept().start([task])


@st.fragment(run_every=0.5)
def _progress(work):
    """Draw how far the work has come, twice a second until it ends; then the whole page is drawn anew."""
    if not work.job.running:
        st.rerun()
    words = t("trust.progress", severity=work.job.doing, n=len(COMMON))
    progress(work.job, work.started, key="trust_cancel", words=words)
