"""Runs of adaptation in the background of a server: several methods on one stream, as fast as they can, to be paused, stepped and cancelled.

Methods that are ready begin while others are still set up, and whoever is furthest behind goes next; so a method that is late catches up.
One batch at a time is computed on a server, in turn, whoever asked for it.
"""

import logging
import math
import threading
import time
from collections import OrderedDict
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from core import jobs, resident
from core.adaptation import ADAPTATIONS, make
from core.adaptation.guard import Guard
from core.adaptation.kept import keep_selection, kept_selection
from core.adaptation.run import logits_of_source, ood_watch, run, summary
from core.adaptation.stream import CLEAN, Stream
from core.corruptions import corrupt
from core.detectors.logits import energy
from core.detectors.selected_norm import logits_with_norm
from core.device import share_cores
from core.errors import InputError
from core.images.sources import data_folder, open_source, read
from core.limits import limits, room
from core.packs import describe, load_pack
from core.probe import linear_head, probe
from core.provenance import command_line, provenance
from core.runs import Store, new_id

KIND = "adaptation"  # of what the run store keeps
SHOWN = 16  # pictures of each batch that are kept for the eye
PROBES = 64  # known pictures of the probe set, and as many unknown ones
MOVED = 8  # pictures of each batch by which the drift of features is measured
KEPT, SHELVED, PACKS = 4, 12, 4  # runs, sources and packs in memory; a run holds some hundred megabytes where several methods learn
IDLE = 1800  # seconds after which a paused run is cancelled
STORED_EVERY, STORED_SHARE = 30, 20  # seconds between two times that a run that goes on is stored, at least, and how often as long as storing took


@dataclass
class Lane:
    """One method of a run.

    Attributes:
        name; state: "setting up", "ready", "done", "stopped" or "failed"; done, total: of the set-up; error: the InputError that it failed with.
        rows: what `row_of` makes of each event; method: a `core.adaptation.method.Method` once it is set up; selection: DPLOT's `BlockSelection`.
        events: the generator of those to come; last: the `StreamBatch` that was looked at last; seconds_setup.
    """

    name: str
    state: str = "setting up"
    done: int = 0
    total: int = 0
    error: InputError | None = None
    rows: list = field(default_factory=list)
    method: Any = None
    selection: Any = None
    seconds_setup: float = 0.0
    events: Any = None
    last: Any = None

    def document(self):
        """Return it as plain data: summary, rows, selection."""
        blocks = self.method.selected_blocks if self.method else None
        return {
            "state": self.state,
            "summary": summary([(row["counts"], row["seconds"]) for row in self.rows], seconds_setup=self.seconds_setup, selected_blocks=blocks),
            "selection": asdict(self.selection) if self.selection else None,
            "rows": list(self.rows),
        }


class Adaptation:
    """One run. What a page reads of it may be read at any time; it is changed by its own threads and by `pause`, `go_on`, `step`, `cancel`.

    Attributes:
        name: its id in the run store, which nobody can guess; plan; owner: whose it is there, or None; lanes: {method: Lane}; pictures: {batch: (K, S, S, 3)
        uint8}, its first pictures; batches: in all, or None before they are known; job; stored: its id in the run store, once it has ended; unstored:
        the InputError that kept it from being stored. It is stored as "interrupted" from its first batch on, again and again, so that a server that
        dies leaves what there was.
    """

    def __init__(self, plan, turn, shelf, owner=None):
        self.name, self.plan, self.owner = new_id(), plan, owner
        self._shelf = shelf
        self.lanes = {method: Lane(method) for method in plan.methods}
        self.pictures, self.batches, self.stored, self.unstored = {}, None, None, None
        self.job: Any = None
        self._store_at = 0.0
        self._turn, self._control = turn, threading.Condition()
        self._paused, self._upto, self._touched = False, 0, time.monotonic()
        self._logits, self._watch = {}, None
        self._pack: Any = None

    @property
    def state(self):
        """Return "waiting", "reading", "running", "paused", "done", "cancelled" or "failed"."""
        if self.job.running:
            return self.job.doing if self.job.doing != "running" else "paused" if self._paused else "running"
        if self.job.error or self.job.bug:
            return "failed"
        return "cancelled" if self.job.stopped else "done"

    @property
    def busy(self):
        return self.job.running

    @property
    def bytes(self):
        """Return how much the networks take that it has adapted."""
        networks = [lane.method.network for lane in self.lanes.values() if lane.method is not None]
        return sum(part.numel() * part.element_size() for network in networks for part in network.parameters())

    def pause(self):
        """Hold still when the methods that are one batch behind the others have caught up, so that a step moves them together."""
        self._set(True, 0)

    def go_on(self):
        self._set(False, 0)

    def step(self):
        """Compute one more batch, of whichever methods are furthest behind, and hold still."""
        behind = min((len(lane.rows) for lane in self.lanes.values() if lane.state == "ready"), default=0)
        self._set(True, behind + 1)

    def cancel(self):
        """End soon; what there is stays and is stored."""
        self.job.stop.set()

    def document(self):
        """Return the run as plain data, as it is stored: plan, batches, methods."""
        methods = {name: lane.document() for name, lane in self.lanes.items()}
        return {"state": self.state, "plan": self.plan.document(), "batches": self.batches, "methods": methods}

    def judge(self, images, domain=None):
        """Judge pictures by every method as it stands, among the batch that it has seen last; nothing is learnt from them.

        Args: images: (N, 3, S, S) uint8; domain: the corruption that they are shown under, by default that of the last batch; "clean" for none.
        Returns: {method: [`Judged`]}, of the methods that have seen a batch. Thresholds and p-values are those of the source on clean pictures.
        """
        return {name: self._judge(lane, images, domain) for name, lane in self.lanes.items() if lane.rows and lane.state != "failed"}

    def work(self, job):
        """Do all of it, for `core.jobs.start`."""
        job.doing = "reading"
        share_cores()
        self._pack = self._shelf.pack(self.plan.pack)
        stream = self._stream(job)
        self.batches = len(stream)
        job.doing = "running"
        setup = jobs.start(self._set_up, job, stream)
        try:
            while lane := self._next(job, setup):
                self._advance(lane)
                if time.monotonic() >= self._store_at:
                    self._store("interrupted")
        finally:
            setup.stop.set()
            setup.wait()
            for lane in self.lanes.values():
                lane.state, lane.events = lane.state if lane.state in ("done", "failed") else "stopped", None
            self._store("cancelled" if job.stop.is_set() else "done")
            self._logits.clear()
            resident.give_back()
        if all(lane.state == "failed" for lane in self.lanes.values()):
            raise next(lane.error for lane in self.lanes.values() if lane.error)

    def _set(self, paused, upto):
        """Let all go on, or while paused only those that have seen fewer than `upto` batches."""
        with self._control:
            self._paused, self._upto, self._touched = paused, upto, time.monotonic()
            self._control.notify_all()

    def _next(self, job, setup):
        """Wait for the lane that is to go on, the one furthest behind, and return it; None when all have ended. Raises: Stopped."""
        with self._control:
            while True:
                if self._paused and time.monotonic() - self._touched > IDLE:
                    job.stop.set()
                if job.stop.is_set():
                    raise jobs.Stopped
                going = [lane for lane in self.lanes.values() if lane.state in ("setting up", "ready")]
                able = [lane for lane in going if lane.state == "ready"]
                if self._paused:
                    one_behind = max(len(lane.rows) for lane in self.lanes.values()) - 1
                    able = [lane for lane in able if len(lane.rows) < self._upto or len(lane.rows) == one_behind]
                if able or not going:
                    return min(able, key=lambda lane: len(lane.rows), default=None)
                if not setup.check().running:
                    self._give_up(setup.error)
                self._control.wait(0.2)

    def _give_up(self, error):
        """Let the lanes fail that a set-up which has ended with an error left behind."""
        for lane in self.lanes.values():
            if error is not None and lane.state == "setting up":
                lane.state, lane.error = "failed", error

    def _advance(self, lane):
        """Let a lane adapt to one batch."""
        with self._turn:
            try:
                event = next(lane.events, None)
            except InputError as error:
                lane.state, lane.error = "failed", error
                return
        if event is None:
            lane.state = "done"
            return
        if event.batch not in self.pictures:
            shown = lane.last.images[:SHOWN].mul(255).round().clamp(0, 255).byte()
            self.pictures[event.batch] = shown.permute(0, 2, 3, 1).numpy()
        lane.rows.append(row_of(event))

    def _judge(self, lane, images, domain):
        pack, method = self._pack, lane.method
        with self._turn:
            pixels = self._under(domain or lane.last.domain, images.float() / 255)
            among, n, state = torch.cat([pixels, lane.last.images]), len(pixels), method.snapshot()
            try:
                probabilities = method.adapt(among)[:n].cpu().double().softmax(1)
            finally:
                method.restore(state)
            inputs = method.preprocessing.normalise(among.to(method.device))
            seen = probe(method.network, inputs, blocks=pack.selection.blocks, means=(pack.reference.middle,)).to("cpu")
        verdicts = pack.judge.judge(seen[:n], pack.classes)
        sure, chosen = probabilities.max(1)
        return [Judged(pack.classes[k], s, verdict) for k, s, verdict in zip(chosen.tolist(), sure.tolist(), verdicts, strict=True)]

    def _pictures(self, spec, count, job):
        return self._shelf.read(spec, self._pack.preprocessing, count, job)

    def _known(self, job):
        """Return the known pictures, those of the stream first, then those of the probe set."""
        return self._pictures(self.plan.pictures, self.plan.limit + PROBES, job)

    def _stream(self, job):
        plan, known = self.plan, self._known(job)
        unknown = self._pictures(plan.unknown, max(plan.limit, PROBES), job).images if plan.share else None
        return Stream(
            known.images[: plan.limit],
            known.labels[: plan.limit],
            plan.corruptions,
            setting=plan.setting,
            severity=plan.severity,
            batch_size=plan.batch_size,
            seed=plan.seed,
            unknown=unknown,
            share=plan.share,
        )

    def _make_watch(self, job):
        """Return what tells the AUROC of Energy with the selected norm, the head being the network's as it stands."""
        pack, known = self._pack, self._known(job).images[-PROBES:]
        unknown = self._pictures(self.plan.unknown, PROBES, job).images

        def score(activations, network):
            weight, bias = linear_head(network)
            return energy(logits_with_norm(activations.features, activations.norm(pack.selection.selected), weight, bias))

        return ood_watch(known.float() / 255, unknown.float() / 255, score, under=self._under, blocks=pack.selection.blocks)

    def _auroc(self, method, domain):
        """Return the AUROC, or None before there are pictures to tell it by."""
        return self._watch(method, domain) if self._watch else None

    def _under(self, domain, images):
        """Return pictures as they look in a domain, each time the same; where domains are mixed, each picture has its own."""
        names = self.plan.corruptions if domain not in self.plan.corruptions and domain != CLEAN else (domain,)
        images, g = images.clone(), torch.Generator().manual_seed(self.plan.seed + 1)
        for k, name in enumerate(names):
            rows = torch.arange(len(images)) % len(names) == k
            if name != CLEAN and rows.any():
                images[rows] = corrupt(images[rows], name, self.plan.severity, generator=g)
        return images

    def _set_up(self, setup, job, stream):
        """Make every method, the quick ones first, and let it go on when it is ready."""
        share_cores()
        lanes = sorted(self.lanes.values(), key=lambda lane: (_learns(lane.name), len(ADAPTATIONS[lane.name].needs)))
        quick = [lane for lane in lanes if "pictures" not in ADAPTATIONS[lane.name].needs]
        for lane in quick:
            self._ready(lane, job, stream, None)
        if self.plan.unknown:
            self._watch = self._make_watch(setup)
        slow = [lane for lane in lanes if lane not in quick]
        source = self._pictures(self.plan.source, self.plan.source_limit, setup) if slow else None
        for lane in slow:
            self._ready(lane, job, stream, source)

    def _ready(self, lane, job, stream, source):
        if job.stop.is_set():
            raise jobs.Stopped
        if _learns(lane.name):
            wake_optimisers()  # not in turn: others go on
        began = time.perf_counter()
        try:
            lane.method = self._make(lane, job, source)
        except InputError as error:
            lane.state, lane.error = "failed", error
            return
        lane.seconds_setup = time.perf_counter() - began
        guard = Guard(lane.method, action=self.plan.guard)
        walk = _walk(lane, stream)
        lane.events = run(lane.method, walk, setting=self.plan.setting, before=self._before, features=MOVED, watch=self._auroc, guard=guard)
        lane.state = "ready"

    def _make(self, lane, job, source):
        """Return the method of a lane, set up in turn with what else is computed."""
        entry, given, pack = ADAPTATIONS[lane.name], {}, self._pack
        if "warmup" in entry.parameters:
            given["warmup"] = self.plan.warmup
        if "blocks" in entry.parameters:
            lane.selection = None if self.plan.reselect else kept_selection(self.plan.pack)
            given["blocks"] = lane.selection.selected if lane.selection else None

        def progress(done, total):
            lane.done, lane.total = done, total
            self._turn.pass_on()

        generator = torch.Generator().manual_seed(self.plan.seed)
        with self._turn:
            method = make(lane.name, pack.network, pack.preprocessing, source=source, generator=generator, progress=progress, stop=job.stop, **given)
        if "blocks" in entry.parameters and lane.selection is None and method.selection is not None:
            lane.selection = method.selection
            try:
                keep_selection(self.plan.pack, method.selection, source=self.plan.source, seed=self.plan.seed)
            except InputError as error:
                logging.getLogger(__name__).warning("the selection of blocks is not kept: %s", error)
        return method

    def _before(self, number, images):
        """Return what the source says of a batch, computed once for all methods."""
        if number not in self._logits:
            self._logits[number] = logits_of_source(next(lane.method for lane in self.lanes.values() if lane.method), images)
        return self._logits[number]

    def _store(self, state):
        """Put what there is into the run store, for as long as "interrupted" only now and then."""
        if not any(lane.rows for lane in self.lanes.values()):
            return
        arrays = {f"batch_{k}": pictures for k, pictures in self.pictures.items()}
        began = time.monotonic()
        try:
            made_by = provenance(pack=self.plan.pack, command=command_line(self.plan.arguments), seed=self.plan.seed, device=str(self._pack.device))
            with Store() as store:
                whose = {"made_by": made_by, "owner": self.owner}
                store.add(KIND, self.document() | {"state": state}, title=title_of(self.plan), arrays=arrays, id=self.name, **whose)
            self.stored, self.unstored = None if state == "interrupted" else self.name, None
        except InputError as error:
            self.unstored = error
        self._store_at = time.monotonic() + max(STORED_EVERY, STORED_SHARE * (time.monotonic() - began))


class Adaptations:
    """The runs of a server. Every method may be called from any thread."""

    def __init__(self):
        self._held, self._lock, self._turn, self._shelf = OrderedDict(), threading.Lock(), jobs.Turn(), Shelf()
        self._ahead = None

    def prepare(self, plan):
        """Read a plan's pictures in the background, so that a run of it starts at once; one plan at a time."""
        if self._ahead is None or not self._ahead.running:
            self._ahead = jobs.start(self._prepare, plan)

    def _prepare(self, job, plan):
        wake_optimisers()
        pack = self._shelf.pack(plan.pack)
        known = self._shelf.read(plan.pictures, pack.preprocessing, plan.limit + PROBES, job)
        with self._turn:
            rehearse(pack, plan, known)
        if plan.unknown:
            self._shelf.read(plan.unknown, pack.preprocessing, PROBES, job)
        if any("pictures" in ADAPTATIONS[method].needs for method in plan.methods):
            self._shelf.read(plan.source, pack.preprocessing, plan.source_limit, job)

    def start(self, plan, owner=None):
        """Start a run. Returns: its `Adaptation`. Raises: InputError where too many wait."""
        with self._lock:
            room(sum(held.busy for held in self._held.values()) - limits().adaptations)
        one = Adaptation(plan, self._turn, self._shelf, owner)
        one.job = jobs.start(self._work, one, doing="waiting")
        with self._lock:
            self._held[one.name] = one
            ended = [name for name, held in self._held.items() if not held.busy]
            for name in ended[: max(0, len(self._held) - KEPT)]:
                del self._held[name]
            kept = [name for name in ended if name in self._held]
            sizes = [self._held[name].bytes for name in kept]
            for k, name in enumerate(kept):
                if sum(sizes[k:]) > limits().adapted_mb * 10**6:
                    del self._held[name]
        return one

    def begin(self, plan, owner=None):
        """Start a run. Returns: its name."""
        return self.start(plan, owner).name

    def look(self, name):
        """Return a run as it stands, a `Seen`, or None if there is none of this name."""
        one = self.find(name)
        if one is None:
            return None
        lanes = {lane.name: SeenLane(lane.state, lane.done, lane.total, lane.error) for lane in one.lanes.values()}
        latest = {len(lane.rows) for lane in one.lanes.values()} if one.busy else set(one.pictures)
        return Seen(
            name=one.name,
            plan=one.plan,
            state=one.state,
            busy=one.busy,
            ahead=self.ahead(one),
            done=one.job.done,
            total=one.job.total,
            error=one.job.error,
            stopping=one.job.stop.is_set(),
            stored=one.stored,
            unstored=one.unstored,
            lanes=lanes,
            document=one.document(),
            pictures={batch: one.pictures[batch] for batch in latest if batch in one.pictures},
        )

    def control(self, name, what):
        """Let a run "pause", "go_on", "step" or "cancel"; one that is not there does nothing."""
        one = self.find(name)
        if one is not None:
            {"pause": one.pause, "go_on": one.go_on, "step": one.step, "cancel": one.cancel}[what]()

    def judge(self, name, images, domain=None):
        """Return what `Adaptation.judge` does of a run, empty where it is no more. Args: images: (N, S, S, 3) uint8 array."""
        one = self.find(name)
        return one.judge(torch.from_numpy(images).permute(0, 3, 1, 2), domain) if one is not None else {}

    def find(self, name):
        """Return the `Adaptation` of a name, or None."""
        with self._lock:
            return self._held.get(name)

    def held(self):
        """Return how many runs go on and how many wait."""
        with self._lock:
            busy = sum(one.busy for one in self._held.values())
        return min(busy, limits().adaptations), max(busy - limits().adaptations, 0)

    def ahead(self, one):
        """Return how many runs go on or wait before this one."""
        with self._lock:
            names = [name for name, held in self._held.items() if held.busy or held is one]
        return names.index(one.name) if one.name in names else 0

    def _work(self, job, one):
        while self.ahead(one) >= limits().adaptations:
            job.report(0, 0)
            job.stop.wait(0.2)
        one.work(job)


@dataclass(frozen=True)
class SeenLane:
    """How far a method is: as `Lane`."""

    state: str
    done: int
    total: int
    error: InputError | None


@dataclass(frozen=True)
class Seen:
    """A run as it stands, plain data that can cross to another process.

    Attributes: as `Adaptation` and its job; ahead: runs before it; stopping: whether it was asked to end; lanes: {method: SeenLane}; document: as
        `Adaptation.document`; pictures: {batch: (K, S, S, 3) uint8}, while it runs only those that a method has seen last.
    """

    name: str
    plan: object
    state: str
    busy: bool
    ahead: int
    done: int
    total: int
    error: InputError | None
    stopping: bool
    stored: str | None
    unstored: InputError | None
    lanes: dict
    document: dict
    pictures: dict


class Shelf:
    """Packs and pictures that were read, kept for the next run: to draw a toy takes longer than to adapt to it."""

    def __init__(self):
        self._lock, self._sets, self._packs = threading.Lock(), OrderedDict(), OrderedDict()

    def pack(self, name):
        """Return a loaded pack, anew when its files have changed."""
        key = name, (describe(name).folder / "pack.toml").stat().st_mtime_ns
        found = self._packs.get(key) or load_pack(name)
        with self._lock:
            self._packs[key] = found
            while len(self._packs) > PACKS:
                self._packs.popitem(last=False)
        return found

    def read(self, spec, preprocessing, count, job):
        """Return the first pictures of a source as a `core.images.sources.Batch`. Args: job: told of the progress. Raises: InputError, Stopped."""
        key = spec, preprocessing, data_folder()
        with self._lock:
            held, lock = self._sets.setdefault(key, ([], threading.Lock()))
            self._sets.move_to_end(key)
            while len(self._sets) > SHELVED:
                self._sets.popitem(last=False)
        with lock:
            if not held or held[0][0] < count:
                batch = read(open_source(spec), preprocessing, stop=count, progress=job.report)
                if not batch.names:
                    raise InputError(f"No picture of {spec} can be read.", key="source.empty", spec=spec)
                held[:] = [(count, batch)]
            batch = held[0][1]
        return replace(batch, images=batch.images[:count], labels=batch.labels[:count])


@dataclass(frozen=True)
class Judged:
    """A picture as an adapted network judges it: class_name and confidence as the method predicts; verdict: `core.verdict.Verdict` of its network."""

    class_name: str
    confidence: float
    verdict: object


def row_of(event):
    """Return an `Event` as a dict of plain data, None for NaN as in the run store; of the predictions only those of the pictures that are kept."""
    left_out = ("calibration", "guard", "selected_blocks")
    row = {name: value for name, value in vars(event).items() if name not in left_out}
    row |= {name: list(row[name][:SHOWN]) for name in ("predicted", "before", "labels")}
    report = {name: value for name, value in vars(event.guard).items() if name in ("diversity", "raised", "alarm", "went_back")}
    row |= {name: {block: _number(value) for block, value in row[name].items()} for name in ("drift", "features")}
    row |= {name: _number(row[name]) for name in ("entropy", "confidence")}
    return row | report | {"raised": list(report["raised"]), "counts": {name: list(count) for name, count in event.counts.items()}}


def title_of(plan):
    """Return what a run is called in a list: pack, corruptions, methods."""
    what = ", ".join(plan.corruptions[:3]) + (f" and {len(plan.corruptions) - 3} more" if len(plan.corruptions) > 3 else "")
    return f"{plan.pack}: {what} at severity {plan.severity}, {plan.setting}; {', '.join(plan.methods)}"


def wake_optimisers():
    """Let torch import what it imports at the first optimiser of a process: seconds that nobody should wait for."""
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])


def _number(value):
    return value if math.isfinite(value) else None


def rehearse(pack, plan, known):
    """Go through a stream of two pictures, so that what is imported or built at its first use is there. Args: known: as `Shelf.read`."""
    images, method = known.images[:2], make("source", pack.network, pack.preprocessing)
    stream = Stream(images, known.labels[:2], plan.corruptions, severity=plan.severity, batch_size=2)
    watch = ood_watch(images.float() / 255, images.float() / 255)
    for _ in run(method, stream, before=True, features=MOVED, watch=watch, guard=Guard(method)):
        pass


def _learns(name):
    return "lr" in ADAPTATIONS[name].parameters


def _walk(lane, stream):
    """Yield a stream's batches; the lane knows the one that is being looked at."""
    for lane.last in stream:
        yield lane.last
