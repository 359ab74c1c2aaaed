"""Bring further unknown pictures: drawn ones, local sets, a person's own. They are measured in the background.

A measurement lives in the server under an id that nobody can guess. The link carries it, so that a reload, or whoever
the link is given to, finds the measurement again; pictures that were uploaded stay in the session, their numbers do not.
"""

import secrets
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field

import streamlit as st

from core import jobs
from core.errors import InputError
from core.images import toybox
from core.images.item import Item, Picked
from dashboard.language import set_name, t
from dashboard.language.text import plain
from dashboard.parts.attempt import attempt, refusal
from dashboard.parts.picker import SHAPES
from dashboard.parts.progress import ended, progress
from dashboard.session import pictures

KEPT, LINKED = 32, 6  # measurements that the server holds, the oldest go first; those that one link carries
AT_ONCE = 2  # measurements of one session that run at the same time
BATCH = 64  # pictures between two looks at whether to stop: well below two seconds
SIZES = (100, 300, 1000)
OWN, OWN_SHOWN = 2000, 100  # a person's own pictures: at most so many are measured, so many kept for the eye
NOISE = ("noise:uniform", "noise:gaussian")
OWN_NAME = "own"


@dataclass(frozen=True)
class Measured:
    """What a measurement found: `activations` of N pictures, their N `ids`, and the names of files that cannot be read."""

    activations: object
    ids: tuple
    unreadable: tuple


@dataclass
class Bring:
    """One measurement. `spec` is a source, or OWN_NAME; `name` is what the set is called among a pack's."""

    id: str
    pack: str
    spec: str
    total: int
    job: object = None
    started: float = field(default_factory=time.monotonic)

    @property
    def name(self):
        return self.spec if self.spec != OWN_NAME else f"{OWN_NAME}:{self.id[:6]}"

    @property
    def done(self):
        return not self.job.running and isinstance(self.job.result, Measured)

    @property
    def failed(self):
        """Whether it ended without numbers: cancelled, or by an error."""
        return not self.job.running and not self.done


@st.cache_resource(show_spinner=False)
def _registry():
    return OrderedDict(), threading.Lock()


def found(pack_name):
    """Return the measurements that this session or its link names, for one pack, and forget those that are gone.

    A set that has just been measured becomes the one that the page looks at, unless the link says otherwise. To be called before the
    page draws that choice.

    Returns: (list of `Bring`, whether some were named that the server no longer holds).
    """
    held, _ = _registry()
    if "jobs" not in st.session_state:
        st.session_state["jobs"] = [i for i in dict.fromkeys(st.query_params.get("job", "").split(",")) if i][:LINKED]
    named = st.session_state["jobs"]
    known = [i for i in named if i in held]
    st.session_state["jobs"] = known
    remember_in_link()
    here, seen = [held[i] for i in known if held[i].pack == pack_name], st.session_state.setdefault("jobs_seen", set())
    for one in here:
        if one.done and one.id not in seen:
            seen.add(one.id)
            if "ood" in st.session_state or "ood" not in st.query_params:
                st.session_state["ood"] = one.name
    return here, len(known) < len(named)


def remember_in_link():
    """Put the ids of this session's measurements into the address, but for those that came to nothing."""
    held, _ = _registry()
    if alive := [i for i in st.session_state.get("jobs", []) if i in held and not held[i].failed]:
        st.query_params["job"] = ",".join(alive)
    else:
        st.query_params.pop("job", None)


def bring(pack_name, facts, loaded, brought, *, gone=False):
    """Draw what can be brought, and how far it has come. Args: loaded: the `Pack`; brought, gone: as `found` returns them."""
    for one in brought:
        if one.job.running:
            _progress(one)
        else:
            _outcome(one)
    running = sum(one.job.running for one in brought)
    if gone:
        st.warning(t("detect.bring_gone"), icon=":material/hourglass_disabled:")
    with st.expander(t("detect.bring"), icon=":material/add_photo_alternate:", key="bring"):  # by its key it stays open when what is above it changes
        st.markdown(t("detect.bring_how"))
        offered = _offered(facts)
        left, right = st.columns(2, gap="large")
        with left:
            titles = {spec: set_name(spec) for spec in offered}
            spec = st.selectbox(t("detect.bring_set"), offered, format_func=titles.get, key="bring_spec")
            size = st.segmented_control(t("detect.bring_size"), SIZES, default=SIZES[1], required=True, key="bring_size")
            full = running >= AT_ONCE
            st.button(
                t("detect.bring_start"),
                icon=":material/play_arrow:",
                key="bring_start",
                disabled=full,
                on_click=attempt,
                args=(_measure_source, pack_name, loaded, spec, size),
            )
        with right:
            folder = st.toggle(t("detect.bring_folder"), key="bring_folder")
            files = st.file_uploader(
                t("detect.bring_own"),
                type=list(SHAPES),
                accept_multiple_files="directory" if folder else True,
                key=f"bring_{'folder' if folder else 'files'}_{st.session_state.setdefault('bring_round', 0)}",
                help=t("detect.bring_own_help", n=OWN),
            )
            st.button(
                t("detect.bring_start_own", n=min(len(files), OWN)),
                icon=":material/play_arrow:",
                key="bring_start_own",
                disabled=full or not files,
                on_click=_measure_own,
                args=(pack_name, loaded, files),
            )
        if full:
            st.caption(t("detect.bring_full", n=AT_ONCE))
        refusal()


def title(name, bring=None):
    """Return what the page calls an unknown set. Args: bring: the `Bring` that measured it, if one did."""
    if name.startswith(f"{OWN_NAME}:"):
        return t("detect.set_own", n=len(bring.job.result.ids) if bring and bring.done else "…")
    return set_name(name)


def measure(job, loaded, source, names):
    """Probe a source's pictures as the pack's own were, batch by batch. Raises: Stopped soon after `job.stop` is set; InputError if none can be read.

    Args: loaded: the `Pack`; source: a sequence of `Item`s; names: the id of each.
    """
    from core.detectors.odin import perturbation
    from core.images.sources import batches
    from core.probe import concatenate

    parts, ids, unreadable = [], [], []
    job.report(0, len(names))
    for batch in batches(Picked(source, range(len(names)), names), loaded.preprocessing, size=BATCH):
        if len(batch.images):
            parts.append(loaded.probe(batch.images, perturb=perturbation(loaded.preprocessing)))
        ids += batch.names
        unreadable += [name for name, _ in batch.errors]
        job.report(len(ids) + len(unreadable), len(names))
    if not parts:
        raise InputError("None of these files is a picture that can be read.", key="source.unreadable")
    return Measured(concatenate(parts), tuple(ids), tuple(unreadable))


def start(pack_name, loaded, spec, source, names):
    """Start a measurement and put its id into the session and the link. Returns: its `Bring`."""
    held, lock = _registry()
    one = Bring(secrets.token_urlsafe(16), pack_name, spec, len(names))
    one.job = jobs.start(measure, loaded, source, names)
    with lock:
        held[one.id] = one
        while len(held) > KEPT:
            _, old = held.popitem(last=False)
            old.job.stop.set()
    mine = [i for i in st.session_state.get("jobs", []) if i in held and not held[i].failed]
    same = [i for i in mine if (held[i].pack, held[i].name) == (pack_name, one.name)]
    for i in same:
        held[i].job.stop.set()  # what nobody can see or cancel any more
    st.session_state["jobs"] = [*(i for i in mine if i not in same), one.id][-LINKED:]
    return one


def _offered(facts):
    """Return the sources that are no part of the pack yet and show nothing that it knows."""
    own = {found["source"] for found in facts.get("pictures", {}).values()}
    held_out = facts.get("pictures", {}).get("held_out", {}).get("source", "")
    family = held_out.rpartition("_")[0] or held_out
    drawn = [f"toybox:{split}" for split in toybox.SPLITS if split not in ("train", "test")]
    if tuple(facts["classes"]) == toybox.KNOWN:
        drawn.remove("toybox:val")
    local = [spec for spec in pictures.data_sets() if not (family and spec.startswith(family))]
    return [spec for spec in (*NOISE, *drawn, *local) if spec not in own]


def _measure_source(pack_name, loaded, spec, size):
    source = pictures.source(spec)
    start(pack_name, loaded, spec, source, tuple(f"{spec}/{i}" for i in range(min(size, len(source)))))


def _measure_own(pack_name, loaded, files):
    items, names = [], []
    for i, file in enumerate(files[:OWN]):
        data, picture_id = file.getvalue(), None
        if i < OWN_SHOWN:
            with suppress(InputError):
                picture_id = pictures.add_upload(file.name, data)
        items.append(Item(file.name, data))
        names.append(picture_id or file.name)
    start(pack_name, loaded, OWN_NAME, items, tuple(names))
    st.session_state["bring_round"] += 1  # an empty uploader next time


@st.fragment(run_every=0.5)
def _progress(one):
    """Draw how far a measurement has come, twice a second until it ends; then the whole page is drawn anew."""
    job = one.job
    if not job.running:
        st.rerun()
    name = set_name(one.spec) if one.spec != OWN_NAME else t("detect.bring_yours")
    progress(job, one.started, key=f"cancel_{one.id}", words=t("detect.bring_progress", name=name, done=job.done, total=one.total))


def _outcome(one):
    """Say what came of a measurement that has ended; that it came to nothing is said until the next one starts."""
    if one.done:
        if one.job.result.unreadable:
            names = ", ".join(plain(name) for name in one.job.result.unreadable[:10])
            st.caption(t("detect.bring_unreadable", n=len(one.job.result.unreadable), names=names))
        return
    remember_in_link()  # it may have ended since the link was written
    ended(one.job)
