"""What the server knows of itself: page runs, people, queues, memory. Numbers only, and nothing of what people look at."""

import json
import logging
import os
import platform
import secrets
import sys
import zipfile
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO

import streamlit as st
from streamlit import runtime

from core import VERSION, logs, resident
from core.errors import InputError
from core.limits import limits
from core.traffic import BOUNDS, Traffic
from dashboard import compute, making
from dashboard.language import explain

log = logging.getLogger(__name__)

START = "verdict"  # what the page without a name of its own is called
RECENT = 15 * 60  # seconds, of which the latest figures tell
SETTINGS = ("server.maxUploadSize", "server.maxMessageSize", "server.disconnectedSessionTTL", "runner.fastReruns")
LIBRARIES = ("streamlit", "torch", "torchvision", "numpy", "scikit-learn", "pandas", "plotly", "pillow", "pyarrow", "sqlalchemy")
VARIABLES = ("BLOCKSCOPE_LOG", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")  # words and numbers: no folder, no address


@dataclass(frozen=True)
class Queue:
    """Work of one kind. Attributes: kind: "adaptations" or "makings", trainings and packs, which stand in one line; running, waiting: how many."""

    kind: str
    running: int
    waiting: int


@dataclass(frozen=True)
class State:
    """The server at one moment.

    Attributes:
        connected: browsers with an open connection, or None where no server runs; people: sessions that ran a page lately; uptime: seconds.
        pages: `core.traffic.Lately`s; median: seconds over all of them, or None; minutes: runs in each of the last minutes.
        queues: `Queue`s; used, limit: bytes or None, used by the server and by the process that adapts; devices: {name: (used, total) bytes};
        caches: (found, looked for) since the start.
    """

    connected: int | None
    people: int
    uptime: float
    pages: list
    median: float | None
    minutes: list
    queues: tuple
    used: int | None
    limit: int | None
    devices: dict
    caches: tuple

    @property
    def waiting(self):
        return sum(queue.waiting for queue in self.queues)

    @property
    def failed(self):
        return sum(page.failed for page in self.pages)


@st.cache_resource(show_spinner=False)
def traffic():
    """Return the `core.traffic.Traffic` of this server, which tells Streamlit's own /_stcore/metrics too."""
    resident.few_arenas()
    counted = Traffic()
    if runtime.exists():
        runtime.get_instance().stats_mgr.register_provider(Counted(counted))
    return counted


@st.cache_resource(show_spinner=False)
def tidying():
    """Return the `core.resident.Tidying` of this server."""
    return resident.Tidying()


def run(page):
    """Run a page of `st.navigation`, counted and logged. Raises: what the page raises."""
    try:
        logs.set_up(keep=True)
    except InputError as error:
        st.error(explain(error), icon=":material/error:")
        return
    name, who = page.url_path or START, st.session_state.setdefault("logged_as", secrets.token_hex(4))
    with logs.about(session=who, page=name), traffic().run(name, who, told=_told):
        if "torch" in sys.modules:  # a page that needs no torch does not load it for this
            from core.device import share_cores

            share_cores(traffic().running)
        try:
            page.run()
        finally:
            tidying()()


def _told(one):
    log.info("page ran", extra={"seconds": round(one.seconds, 3), "ended": one.ended})


def state():
    """Return the `State` of now. It starts nothing: no torch, no process that adapts."""
    counted, stats = traffic(), _stats("active_sessions", "cache_lookups")
    hits, lookups = _cache_hits(stats.get("cache_lookups", ()))
    adapting = compute.adaptations()
    line = len(making.builds().line)
    parts = [resident.used(), *([resident.used(adapting.pid)] if adapting.pid else [])]
    return State(
        connected=sum(stat.value for stat in stats["active_sessions"]) if "active_sessions" in stats else None,
        people=counted.people(RECENT),
        uptime=counted.uptime,
        pages=counted.lately(RECENT),
        median=counted.median(RECENT),
        minutes=counted.by_minute(RECENT // 60),
        queues=(Queue("adaptations", *adapting.held()), Queue("makings", min(line, 1), max(line - 1, 0))),
        used=sum(filter(None, parts)) or None,
        limit=resident.limit(),
        devices=_devices(),
        caches=(hits, lookups),
    )


def versions():
    """Return {name: version} of Blockscope, Python and the libraries that decide what is computed; a library that is not there is left out."""
    found = {"blockscope": VERSION, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def diagnostics(now):
    """Return a zip file for a report of a fault: versions, settings, figures and the latest log lines; no picture, no file's name, nobody's name.

    Args: now: a `State`.
    """
    settings = {name: st.get_option(name) for name in SETTINGS}
    set_here = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    figures = vars(now) | {"pages": [vars(page) for page in now.pages], "queues": [vars(queue) for queue in now.queues]}
    machine = {"system": platform.system(), "release": platform.release(), "machine": platform.machine(), "cores": os.cpu_count()}
    whole = {
        "versions": versions(),
        "machine": machine | {"memory": resident.machine()},
        "settings": settings | set_here,
        "limits": asdict(limits()),
        "packs": list(compute.packs()),
    }
    parts = {"about.json": whole, "metrics.json": figures}
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, part in parts.items():
            file.writestr(name, json.dumps(part, ensure_ascii=False, indent=1))
        file.writestr("log.jsonl", "".join(f"{line}\n" for line in logs.latest()))
    return buffer.getvalue()


class Counted:
    """What `Traffic` counts, in the form in which Streamlit's statistics are told. Args: traffic."""

    def __init__(self, traffic):
        self._traffic = traffic

    @property
    def stats_families(self):
        return ("blockscope_page_runs", "blockscope_page_seconds")

    def get_stats(self, family_names=None):
        from streamlit.runtime.stats import CounterStat, HistogramStat

        runs, seconds = self.stats_families
        told = {"help": "Runs of a page, by how they ended"}
        found = {runs: [CounterStat(runs, n, {"page": page, "ended": ended}, **told) for (page, ended), n in sorted(self._traffic.totals.copy().items())]}
        found[seconds] = []
        for page, total in sorted(self._traffic.sums.copy().items()):
            counts = [self._traffic.buckets[page, k] for k in range(len(BOUNDS) + 1)]
            heights = [sum(counts[: k + 1]) for k in range(len(counts))]
            buckets = tuple(zip((*BOUNDS, float("inf")), heights, strict=True))
            found[seconds].append(HistogramStat(seconds, buckets, total, heights[-1], {"page": page}, "seconds", "Time from a page's first line to its last"))
        return {name: found[name] for name in found if family_names is None or name in family_names}


def _stats(*families):
    """Return what Streamlit counts itself: {family: statistics}, empty where no server runs."""
    return runtime.get_instance().stats_mgr.get_stats(families) if runtime.exists() else {}


def _cache_hits(stats):
    """Return how many calls of cached functions found their result, and how many there were."""
    hits = sum(stat.value for stat in stats if (stat.labels or {}).get("result") == "hit")
    return hits, sum(stat.value for stat in stats)


def _devices():
    """Return {name: (used, total) bytes} of the accelerators, as far as torch is loaded already: to look is no reason to load it."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return {}
    found = {}
    for k in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(k)
        found[f"{k}: {torch.cuda.get_device_name(k)}"] = (total - free, total)
    return found
