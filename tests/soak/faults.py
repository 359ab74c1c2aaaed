"""Faults: processes killed at any moment, disks that are full or may only be read, a database that goes away, no memory, browsers that leave."""

import asyncio
import signal
import tempfile
from pathlib import Path
from random import Random

import torch

from core.disk import UNFINISHED
from core.errors import InputError
from core.images.preprocess import Preprocessing
from core.networks.build import create
from core.packs.live import Builds
from core.probe import probe_all
from core.training.live import Trainings
from tests.postgres import Missing, Postgres
from tests.soak.commands import commands
from tests.soak.databases import database_rows
from tests.soak.disks import NotTried, disk, disk_rows
from tests.soak.killed import COMMANDS, adapting_row, command_rows, making_row, packs_row
from tests.soak.load import PAGES, SAID, _picture
from tests.soak.server import serving
from tests.soak.table import Row
from tests.soak.visitor import Broken, Visitor

QUICK = ("score",)  # commands that a short run kills
LONG = 60  # seconds from which on everything is tried, on the real pages too
STORED = 3  # seconds after the first batch, in which it reaches the store
UPLOAD = 24_000_000  # bytes
SENT = "the next server keeps it whole, and nothing beside it"
UNWRITABLE, UNREACHABLE = r"cannot be written", r"cannot be used"


def rows(seconds):
    """Try every fault. Args: seconds: about how long; fewer than `LONG` leave out what computes long and the pages. Yields: `Row`."""
    quick, tries = seconds < LONG, max(1, round(seconds / 60))
    with tempfile.TemporaryDirectory() as folder, commands(folder) as run:
        yield from command_rows(run, QUICK if quick else tuple(COMMANDS), tries)
        for kind in (Trainings,) if quick else (Trainings, Builds):
            yield making_row(run, kind, tries)
        yield adapting_row(run, tries)
        for full in (True, False):
            yield from disk_rows(run, full=full, quick=quick)
    yield from database_rows(tries)
    yield memory_row()
    if not quick:
        yield packs_row()
        yield from page_rows(tries)


def memory_row():
    """Measure with a network that has memory for few pictures at once; tests/core/test_memory.py fills a real GPU where there is one. Returns: `Row`."""
    network, see = create("cifar_resnet20", width=4).eval(), Preprocessing(32)
    images = torch.randint(0, 256, (16, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected, wrong, sizes = probe_all(network, images, see, batch_size=1).logits, [], (1, 2, 3, 5, 8)
    for most in sizes:
        found = probe_all(_Around(network, most), images, see, batch_size=16)
        if not torch.allclose(found.logits, expected, atol=1e-5) or found.fallback != "halves":
            wrong.append(f"memory for {most}: other numbers")
    try:
        probe_all(_Around(network, 0), images, see)
        wrong.append("memory for none: no sentence")
    except InputError:
        pass
    seen = "; ".join(wrong) or "the same numbers, and a sentence where there is none; no GPU was filled here"
    return Row("faults", "memory for a few pictures at once, or none", len(sizes) + 1, len(wrong), seen)


class _Around(torch.nn.Module):
    """A network on a device with memory for `most` pictures at once."""

    def __init__(self, network, most):
        super().__init__()
        self.network, self.most = network, most

    def forward(self, x):
        if len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self.network(x)


def page_rows(tries):
    """Use the real pages with nothing writable, with a database that comes and goes, by people who leave, and with a server that is killed. Yields: `Row`."""
    try:
        with disk(full=False) as place, tempfile.TemporaryDirectory() as home:
            own = {"HOME": place, "XDG_CACHE_HOME": place / "cache", "XDG_DATA_HOME": place / "data", "BLOCKSCOPE_RUNS": f"sqlite:///{place}/data/runs.sqlite"}
            with serving(Path(home), **{name: str(value) for name, value in own.items()}) as server:
                yield _row("pages with nothing that may be written", asyncio.run(_unwritable(server.address)), server)
    except NotTried as reason:
        yield Row("faults", "pages with nothing that may be written", 0, 0, f"not tried: {reason}")
    with tempfile.TemporaryDirectory() as home:
        try:
            with Postgres() as database, serving(Path(home), BLOCKSCOPE_RUNS=database.database()) as server:
                yield _row("pages while Postgres is stopped and started", asyncio.run(_database(server.address, database, tries)), server)
        except Missing as reason:
            yield Row("faults", "pages while Postgres is stopped and started", 0, 0, f"not tried: {reason}")
        with serving(Path(home)) as server:
            yield _row("browsers that close while a page is drawn", asyncio.run(_leave(server.address, 10 * tries)), server)
            names = asyncio.run(_begin(server.address))
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
        with serving(Path(home)) as server:
            yield _row("pages after kill -9 of their server", asyncio.run(_interrupted(server.address, names)), server)
    yield upload_row(3 * tries)


def upload_row(tries):
    """Kill a server while a file is on its way to it, and bring the file to the next one. Returns: `Row`."""
    random, data, wrong = Random(0), Random(1).randbytes(UPLOAD), []
    with tempfile.TemporaryDirectory() as home:
        for number in range(tries + 1):
            with serving(Path(home)) as server:
                kill = server.process.kill if number < tries else None
                says = asyncio.run(_send(server.address, data, kill, random.uniform(0, 0.4)))
                wrong += [f"after {number}: {text}" for text in [says] if text]
                wrong += [f"after {number}: half a file is kept" for file in _kept(Path(home)) if file.read_bytes() != data]
        wrong += ["what was brought last is not kept"] * (len(_kept(Path(home))) != 1)
        wrong += [f"left behind: {file.name}" for file in Path(home).rglob(f"*{UNFINISHED}")]
    return Row("faults", f"kill -9 of a server while a file of {UPLOAD / 1e6:g} MB is brought", tries, min(len(wrong), tries), "; ".join(wrong) or SENT)


def _row(what, steps, server):
    """Args: steps: {step: what is wrong with it, or ""}; a stack trace in the server's log counts as one more that is wrong."""
    wrong = [f"{step}: {text}" for step, text in steps.items() if text]
    wrong += ["a stack trace in the log"] * ("Traceback" in server.log.read_text("utf-8", "replace"))
    return Row("faults", what, len(steps) + 1, len(wrong), "; ".join(wrong) or ", ".join(steps))


async def _says(doing, pattern=None):
    """Return (the page or None, what is wrong: it is broken, or does not say what it should)."""
    try:
        page = await doing
    except (Broken, OSError) as error:
        return None, str(error)
    return page, "" if pattern is None or page.says(pattern) else f"does not say {pattern!r} but {page.texts[:6]}"


async def _unwritable(address):
    steps = {}
    async with Visitor(address) as visitor:
        page, steps["first page"] = await _says(visitor.open())
        if page is not None:
            _, steps["verdict of a picture"] = await _says(visitor.bring(page, "files", "picture.png", _picture(Random(0))), SAID)
        for path in PAGES[1:]:
            page, steps[path] = await _says(visitor.open(path), UNREACHABLE if path == "runs" else None)
            if path == "training" and page is not None:
                _, steps["start of a training"] = await _says(visitor.choose(page, "live_start", True), UNWRITABLE)
            if path == "detector" and page is not None:
                _, steps["keeping a run"] = await _says(visitor.choose(page, "keep_run", True), UNREACHABLE)
    return steps


async def _send(address, data, kill, seconds):
    """Bring weights; kill the server after some seconds, if at all. Returns: what is wrong, or ""."""
    async with Visitor(address) as visitor:
        page = await visitor.open("workshop", weights_from="upload")
        sending = asyncio.create_task(_says(visitor.bring(page, "workshop_weights", "net.safetensors", data), "safetensors"))
        if kill is None:
            return (await sending)[1]
        await asyncio.sleep(seconds)
        kill()
        await asyncio.gather(sending, return_exceptions=True)
    return ""


def _kept(home):
    """Return the files that a server with this home keeps for people."""
    return [file for file in home.rglob("uploads/*/*") if not file.parent.name.startswith(".")]


async def _database(address, database, tries):
    steps = {}
    for n in range(1, tries + 1):  # a new session each time: what one has kept already is not offered to it again
        async with Visitor(address) as visitor:
            _, steps[f"runs {n}"] = await _says(visitor.open("runs"), "runs|Runs|kept")
            database.stop()
            _, steps[f"runs, stopped {n}"] = await _says(visitor.open("runs"), UNREACHABLE)
            page, _ = await _says(visitor.open("detector"))
            if page is not None:
                _, steps[f"keeping a run, stopped {n}"] = await _says(visitor.choose(page, "keep_run", True), UNREACHABLE)
            database.start()
            page, steps[f"detector, started {n}"] = await _says(visitor.open("detector"))
            if page is not None:
                page, steps[f"keeping a run, started {n}"] = await _says(visitor.choose(page, "keep_run", True))
            page, steps[f"runs, started {n}"] = await _says(visitor.open("runs"))
            if page is not None and (page.says(UNREACHABLE) or not page.charts):
                steps[f"runs, started {n}"] = "the run that was kept is not shown"
    return steps


async def _leave(address, count):
    """Close connections while pages are drawn and files are sent."""
    random = Random(0)
    for _ in range(count):
        async with Visitor(address) as visitor:
            drawing = asyncio.create_task(visitor.open(random.choice(PAGES)))
            await asyncio.sleep(random.uniform(0, 1))
            drawing.cancel()
            visitor._socket.transport.abort()
            await asyncio.gather(drawing, return_exceptions=True)
    async with Visitor(address) as visitor:
        _, wrong = await _says(visitor.open())
    return {f"{count} left": "", "the next one": wrong}


async def _begin(address):
    """Start a training and an adaptation. Returns: {query parameter: name}."""
    async with Visitor(address) as visitor:
        page = await visitor.open("training")
        await visitor.choose(page, "live_start", True)
        names = {"training": visitor.query["training"]}
        page = await visitor.open("adaptation")
        page = await visitor.choose(page, "adapt_start", True)
        for _ in range(60):
            if page.charts:
                break
            await asyncio.sleep(1)
            page = await visitor.redraw(page.fragments[min(page.fragments)]) if page.fragments else page
        await asyncio.sleep(STORED)
        return names | {"adaptation": visitor.query["adaptation"]}


async def _interrupted(address, names):
    steps = {}
    async with Visitor(address) as visitor:
        page, steps["training"] = await _says(visitor.open("training", training=names["training"]), "interrupted")
        if page is not None:
            resume = next((key for key in page.widgets if key.startswith("own_") and key.endswith("_resume")), None)
            page, steps["its resume"] = (None, "no button") if resume is None else await _says(visitor.choose(page, resume, True))
            if page is not None and page.says("interrupted"):
                steps["its resume"] = "is still interrupted"
        page, steps["adaptation"] = await _says(visitor.open("adaptation", adaptation=names["adaptation"]), "Interrupted")
        if page is not None and "adapt_again" in page.widgets:
            _, steps["its start"] = await _says(visitor.choose(page, "adapt_again", True))
    return steps
