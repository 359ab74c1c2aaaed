"""A class of forty: people who bring pictures, turn pages and let networks adapt, all at once, over the same connection as a browser's."""

import asyncio
import hashlib
import io
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from core.runs import Store
from tests.soak.server import serving
from tests.soak.table import Row
from tests.soak.visitor import Broken, Visitor

PEOPLE, ADAPTING = 40, 4
PAGES = ("", "blocks", "detector", "confidence", "trust", "training", "corruptions", "workshop", "runs", "tour")
PAUSE, WHOLE = (10, 40), 300  # seconds for which a person looks at what is there, where all goes on for so many; in less time, less
SLOWER = 3  # times the seconds of one person alone that a verdict may take for each request that the server is at, at the 95th percentile
GROWTH = 1.10  # how much more memory there may be at the end than after a fifth of the time
SAID = r"^\W*(Known|Unknown)\b"
UNATTENDED = 3  # seconds after which work ends whose person has gone
ALONE = 8  # pictures by which the time of one person alone is told


@dataclass
class Seen:
    """What forty people saw.

    Attributes: verdicts: [(seconds, requests, verdicts)], of both how many the server was at together at most while it lasted, itself among them;
        pages: [seconds]; runs: adaptations that were begun; broken: [(what, sentence)]; memory: [(share of the time, bytes)];
        asked: the `Asked` of this moment.
    """

    verdicts: list = field(default_factory=list)
    pages: list = field(default_factory=list)
    runs: int = 0
    broken: list = field(default_factory=list)
    memory: list = field(default_factory=list)
    asked: list = field(default_factory=list)


@dataclass(eq=False)
class Asked:
    """A request that is on the way. Attributes: kind: "verdict", "page" or "adaptation"; most: requests, and verdicts, that were on the way with it."""

    kind: str
    most: tuple = (0, 0)


def rows(seconds, people=PEOPLE):
    """Let one person bring pictures alone, then all at once for the given seconds. Yields: `Row`."""
    with tempfile.TemporaryDirectory() as home, serving(Path(home), BLOCKSCOPE_MAX_UNATTENDED_SECONDS=f"{UNATTENDED}") as server:
        alone = asyncio.run(_alone(server.address))
        seen = asyncio.run(_together(server, seconds, people))
        yield asyncio.run(_apart(server))
        yield asyncio.run(_left(server))
        log = server.log.read_text()
    times = [time for time, *_ in seen.verdicts]
    p95, each, by_verdict = _p95(times), _p95([time / requests for time, requests, _ in seen.verdicts]), _p95([time / n for time, _, n in seen.verdicts])
    queue = max((requests for _, requests, _ in seen.verdicts), default=0)
    with_pictures = f"{people} people, {seconds / 60:g} minutes"
    lost = [sum(kind == of for kind, _ in seen.broken) for of in ("verdict", "page", "adaptation")]
    yield Row("load", f"{with_pictures}: pictures brought", len(times) + lost[0], lost[0], f"median {float(np.median(times)):.2f} s, p95 {p95:.2f} s")
    yield Row("load", f"{with_pictures}: pages turned", len(seen.pages) + lost[1], lost[1], f"p95 {_p95(seen.pages):.2f} s")
    yield Row("load", f"{with_pictures}: live adaptations, {ADAPTING} people at a time", seen.runs, lost[2], "watched to the end")
    figures = f"alone {alone:.2f} s; up to {queue} requests at once; p95 for each of them {each:.2f} s, {each / alone:.1f} x alone (at most {SLOWER}); "
    figures += f"where verdicts alone are counted {by_verdict / alone:.1f} x"
    yield Row("speed", "time from upload to verdict", 1, int(each > SLOWER * alone), figures)
    early, late = (np.median([size for at, size in seen.memory if low <= at <= high]) for low, high in ((0.15, 0.25), (0.9, 1)))
    figures = f"{early / 1e6:,.0f} MB after a fifth of the time, {late / 1e6:,.0f} MB at the end"
    yield Row("speed", "memory of the server and its processes", 1, int(late > GROWTH * early), figures)
    traces = log.count("Traceback")
    yield Row("load", "the server's log holds no stack trace", 1, int(traces > 0), "; ".join({text for _, text in seen.broken})[:300])


async def _alone(address):
    """Return the median seconds from upload to verdict of one person, once every page has been seen and has loaded what it loads once."""
    async with Visitor(address) as visitor:
        for path in (*PAGES, "adaptation"):
            await visitor.open(path)
        page = await visitor.open()
        times = []
        for k in range(ALONE + 2):
            page = await visitor.bring(page, "files", f"alone{k}.png", _picture(Random(f"alone {k}")))
            times.append(page.seconds)
    return float(np.median(times[2:]))


async def _apart(server):
    """Let one person bring a picture and another try to look at it. Returns: `Row`."""
    async with Visitor(server.address) as one, Visitor(server.address) as other:
        await one.bring(await one.open(), "files", "mine.png", _picture(Random("mine")))
        name = hashlib.sha256(_picture(Random("mine"))).hexdigest()[:32]
        shown = 0
        for path in ("", "blocks", "corruptions"):
            await other.open(path, picture=f"upload:{name}")
            shown += not other.query.get("picture", "").startswith("toybox")
    return Row("load", "a picture that another person has brought, by its name", 3, shown, "the page shows one of its own instead")


async def _left(server):
    """Let a person start an adaptation and go. Returns: `Row`."""
    async with Visitor(server.address) as visitor:
        page = await visitor.choose(await visitor.open("adaptation"), "adapt_start", True)
        while page.fragments and not page.charts:  # until it has adapted to a batch
            await asyncio.sleep(0.5)
            page = await visitor.redraw(min(page.fragments.items())[1])
    states = []
    with Store(f"sqlite:///{server.home}/runs.sqlite") as store:
        for _ in range(20 * UNATTENDED):
            states = [run.result["state"] for run in store.list("adaptation", 1)]
            if states == ["cancelled"]:
                break
            await asyncio.sleep(0.5)
    return Row("load", "a run whose person has closed the page", 1, int(states != ["cancelled"]), f"is {', '.join(states) or 'nowhere'}")


async def _together(server, seconds, people):
    """Let people come one after the other, stay to the end and do what they do. Returns: `Seen`."""
    seen, clock = Seen(), asyncio.get_running_loop().time
    began = clock()
    adapting = min(ADAPTING, people // 2)
    visits = [_adapts(server.address, seen, Random(k), began + seconds) for k in range(adapting)]
    visits += [_looks(server.address, seen, Random(k), began + seconds) for k in range(adapting, people)]
    tasks = [asyncio.create_task(visit) for visit in visits]
    while not all(task.done() for task in tasks):
        if clock() < began + seconds:
            seen.memory.append(((clock() - began) / seconds, server.memory))
        await asyncio.sleep(1)
    for task in tasks:
        task.result()
    return seen


async def _looks(address, seen, random, until):
    """Be a person who brings pictures, mostly, and turns pages."""
    clock = asyncio.get_running_loop().time
    pause = [min(1.0, (until - clock()) / WHOLE) * seconds for seconds in PAUSE]
    await asyncio.sleep(random.uniform(0, pause[1]) / 4)
    async with Visitor(address, random.choice(("en", "en", "ko"))) as visitor:
        page = await _try(seen, "page", visitor.open())
        while clock() < until and page is not None:
            await asyncio.sleep(random.uniform(*pause))
            if random.random() < 0.6:
                if visitor.path or "files" not in page.widgets:
                    page = await _try(seen, "page", visitor.open())
                    continue
                found = await _try(seen, "verdict", visitor.bring(page, "files", f"{random.random()}.png", _picture(random)))
                if found is not None and found.says(SAID) is None and visitor.query["lang"] == "en":
                    seen.broken.append(("verdict", "no verdict was said"))
                page = found
            else:
                page = await _try(seen, "page", visitor.open(random.choice(PAGES)))


async def _adapts(address, seen, random, until):
    """Be a person who lets networks adapt, again and again, and watches."""
    clock = asyncio.get_running_loop().time
    async with Visitor(address) as visitor:
        while clock() < until:
            page = await _try(seen, "adaptation", visitor.open("adaptation"))
            page = page and await _try(seen, "adaptation", visitor.choose(page, "adapt_start", True))
            seen.runs += page is not None
            while page is not None and page.fragments and clock() < until:
                interval, fragment = min(page.fragments.items())
                await asyncio.sleep(interval)
                drawn = await _try(seen, "adaptation", visitor.redraw(fragment))
                if drawn is None or drawn.whole:
                    page = drawn
            if page is None:
                return


async def _try(seen, kind, doing):
    """Do something and note how long it took, and among how many. Returns: its `Page`, or None where it broke."""
    asked = Asked(kind)
    seen.asked.append(asked)
    now = len(seen.asked), sum(one.kind == "verdict" for one in seen.asked)
    for one in seen.asked:
        one.most = tuple(map(max, one.most, now))
    try:
        page = await doing
    except (Broken, OSError) as error:
        seen.broken.append((kind, f"{type(error).__name__}: {error}"))
        return None
    finally:
        seen.asked.remove(asked)
    if kind == "page":
        seen.pages.append(page.seconds)
    elif kind == "verdict":
        seen.verdicts.append((page.seconds, *asked.most))
    return page


def _picture(random):
    """Return the bytes of a picture that nobody has brought before: colours that run into each other."""
    rng = np.random.default_rng(random.getrandbits(64))
    small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((480, 360), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _p95(times):
    return float(np.quantile(times, 0.95)) if times else float("nan")
