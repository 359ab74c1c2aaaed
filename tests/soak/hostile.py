"""Give the product what was made to harm it: every refusal is one sentence, and afterwards all is as before.

A try is lost if it raises anything but `InputError` or ends without a verdict on what was brought within `LONGEST`; where the next good input is
not taken as before; where a file is left behind; or where memory has not come back to within `KEPT` of what it was before the row.
"""

import ctypes
import gc
import math
import os
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from core.errors import InputError
from tests.soak import bombs
from tests.soak.table import Row

LONGEST = 20  # seconds of one try, on a machine that does other things too
KEPT = 64 * 2**20  # bytes of memory that may be held after a row: caches, and what the allocator keeps
COLD, HELD = 120, 1024 * 2**20  # the same of pages, which load packs and work out figures at their first visit, and keep them
NETWORKS = 192 * 2**20  # the same of packs: the allocator keeps the room of the largest network that was refused; a second thousand adds nothing
TOLD = 3  # losses that a row tells in words


@dataclass(frozen=True)
class Outcome:
    """What came of one try: `error` is None, or what was raised; `seconds`, infinite for one that has not come back."""

    error: BaseException | None
    seconds: float

    @property
    def lost(self):
        return self.seconds > LONGEST or not (self.error is None or isinstance(self.error, InputError))


def rows(seconds):
    """Yield a `Row` for each kind of hostile input, within about `seconds` in all."""
    cases = {pictures: 4, weights: 2, packs: 3, sources: 1, names: 1, queries: 6}
    with _apart() as (home, folder):
        for case, share in cases.items():
            yield case(_Measured(home), folder, seconds * share / sum(cases.values()))


def pictures(measured, folder, seconds):
    """Decode the corpus of bad files, bombs, polyglots and damaged pictures."""
    from core.images.decode import decode

    def good():
        return [decode(bombs.good(format)).tobytes() for format in ("PNG", "JPEG")]

    tries = ((name, lambda data=data: decode(data)) for name, data in _all_pictures())
    return measured.row("pictures: bombs, polyglots, cut-off and changed files", tries, good, seconds)


def weights(measured, folder, seconds):
    """Load weights as the workshop and `pack new` do."""
    from core.networks import build, guess
    from tests.soak import weights as made

    def load(file):
        state = build.read_state(file)
        fits = guess.guess(state)
        if fits and fits[0].exact:
            build.fill(build.create(fits[0].arch, width=fits[0].width, classes=fits[0].classes), state, arch=fits[0].arch, source=Path(file).name)

    def good():
        from core.packs import SHIPPED

        return len(build.known_names()), guess.guess(build.read_state(SHIPPED / "toybox" / "weights.safetensors"))[0].arch

    def attempt(make):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            load(make(Path(place)))
            if (Path(place) / made.SENTINEL).exists():
                raise AssertionError("code in a file of weights has run")

    tries = ((name, lambda make=make: attempt(make)) for name, make in {**made.REFUSED, **made.UNFIT}.items())
    return measured.row("weights: pickles with code, terabytes declared, NaN, wrong shapes", tries, good, seconds)


def packs(measured, folder, seconds):
    """Load packs and judge a picture with those that load: what is said of it must be numbers."""
    from core.packs import SHIPPED, load_pack
    from tests.soak import packs as made

    picture = bombs.good()

    def good():
        return load_pack(SHIPPED / "toybox-standard").verdict(picture).p_value

    def load(make):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            verdict = load_pack(make(Path(place))).verdict(picture)
            if not all(map(math.isfinite, (verdict.score, verdict.threshold, verdict.p_value, *verdict.probabilities))):
                raise AssertionError("a verdict that is no number")

    with suppress(InputError):  # what is imported for a name of torchvision's stays, once
        load(made.MADE["another architecture"])
    tries = ((name, lambda make=make: load(make)) for name, make in made.packs())
    return measured.row("packs: wrong values, paths, files, NaN, bombs", tries, good, seconds, held=NETWORKS)


def sources(measured, folder, seconds):
    """Open sources of pictures and read every picture, in a row and one by one."""
    from core.images.preprocess import Preprocessing
    from core.images.sources import open_source, read
    from tests.soak import sources as made

    see = Preprocessing(16)

    def good():
        return read(open_source("toybox:test"), see, stop=4).images.tolist()

    def attempt(make):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            source = open_source(make(Path(place)))
            read(source, see)
            for item in source:
                with suppress(InputError):
                    item.open()

    tries = ((name, lambda make=make: attempt(make)) for name, make in made.MADE.items())
    return measured.row("sources: Parquet and .npz of wrong columns, damaged, pipes, links, bombs", tries, good, seconds)


def names(measured, folder, seconds):
    """Keep files under hostile names, and show these names: none does anything in Markdown."""
    from core.uploads import keep_file, keep_folder
    from dashboard.language.text import harmless, plain, sentence
    from tests.soak import names as made

    def good():
        return keep_file("weights.pt", b"1").name, plain("cat.png")

    def attempt(name):
        for show in (plain, sentence, harmless):
            if made.ALIVE.search(show(name)) or not show(name).isprintable():
                raise AssertionError(f"shown as {show(name)!r}")
        for kept in (keep_file(name, b"1"), keep_folder([(name, b"1")])):
            if not kept.resolve().is_relative_to(Path(os.environ["XDG_DATA_HOME"]).resolve()):
                raise AssertionError(f"kept in {kept}")
        keep_folder([(f"top/{name}", b"1"), (f"top/{name}/b", b"2")])  # a file and a folder: no two of one name

    tries = ((ascii(name)[:40], lambda name=name: attempt(name)) for name in made.names())
    return measured.row("file names: markup, control characters, paths, 5,000 characters", tries, good, seconds, kept="uploads")


def queries(measured, folder, seconds):
    """Open each page by links that say nonsense: it is drawn, with its title."""
    from streamlit.testing.v1 import AppTest

    from tests.soak import names as made

    views = Path(__file__).parents[2] / "dashboard" / "views"
    pages = sorted(file.stem for file in views.glob("*.py"))

    def visit(name, query):
        page = AppTest.from_file(views / f"{name}.py", default_timeout=COLD)
        for key, value in query.items():
            page.query_params[key] = value
        page.run()
        if page.exception:
            raise AssertionError(page.exception[0].message)
        return page.title[0].value

    def good():
        return [visit(name, {"lang": "en", "pack": "toybox"}) for name in ("runs", "verdict")]

    tries = ((f"{name} {query}"[:200], lambda name=name, query=query: visit(name, query)) for name, query in made.queries(pages))
    return measured.row("links: query parameters of every wrong kind, each page", tries, good, seconds, longest=COLD, held=HELD)


class _Measured:
    """Runs tries and counts what is lost. Args: home: the folder in which nothing may be left behind."""

    def __init__(self, home):
        self._home = home

    def row(self, what, tries, good, seconds, *, kept=None, longest=None, held=None):
        """Run tries until they or the seconds end, at least one.

        Args: tries: (name, function) each; good: returns what must be the same before and after; kept: a folder that files are meant to be kept in;
            longest, held: instead of `LONGEST` and `KEPT`.
        Returns: Row.
        """
        expected, lost, refused, slowest, tried = good(), Counter(), 0, 0.0, 0
        files, memory, end = self._files(), resident(), time.monotonic() + seconds
        for name, function in tries:
            outcome = attempt(function, longest)
            tried, refused = tried + 1, refused + isinstance(outcome.error, InputError)
            slowest = max(slowest, outcome.seconds)
            if outcome.lost:
                lost[f"{name}: {type(outcome.error).__name__ if outcome.error else f'{longest or LONGEST} s were not enough'}"] += 1
            if time.monotonic() > end:
                break
        after = attempt(lambda: expected == good() or _fail(), longest)
        lost["the next good one is not taken as before"] += after.lost or after.error is not None
        lost["files left behind"] += sum(kept is None or kept not in path.parts for path in self._files() - files)
        more = resident() - memory
        lost[f"{more / 2**20:.0f} MB are not given back"] += more > (held or KEPT)
        told = "".join(f"; lost: {name}" for name in list(+lost)[:TOLD])
        seen = f"{refused:,} refused in a sentence, the slowest {slowest:.1f} s, {max(0, more) / 2**20:.0f} MB more than before{told}"
        return Row("hostile", what, tried, lost.total(), seen)

    def _files(self):
        return {path for path in self._home.rglob("*") if path.is_file()}


def attempt(function, longest=None):
    """Run a function in a thread of its own, which is left behind where it does not come back in time. Returns: Outcome."""
    found = []

    def run():
        try:
            function()
            found.append(None)
        except BaseException as error:  # whatever it is, it is told
            found.append(error.with_traceback(None))

    thread, start = threading.Thread(target=run, daemon=True), time.monotonic()
    thread.start()
    thread.join(longest or LONGEST)
    return Outcome(found[0], time.monotonic() - start) if found else Outcome(None, float("inf"))


def resident():
    """Return the bytes of this process that lie in memory, once what is free was given back."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _fail():
    raise AssertionError("not as before")


def _all_pictures():
    every = bombs.pictures()
    yield from islice(every, len(bombs.MADE))
    corpus = Path(os.environ.get("BLOCKSCOPE_DATA") or Path(__file__).parents[3] / "shared" / "data") / "bad_images"
    for file in sorted(corpus.glob("*")):
        yield file.name, file
    yield from every


@contextmanager
def _apart():
    """Let everything be kept in a folder of its own meanwhile. Yields: (that folder, one for the hostile files)."""
    before = {name: os.environ.get(name) for name in ("XDG_DATA_HOME", "TMPDIR")}
    with tempfile.TemporaryDirectory() as top:
        home, folder = Path(top) / "home", Path(top) / "hostile"
        home.mkdir(), folder.mkdir()
        os.environ |= dict.fromkeys(before, str(home))
        tempfile.tempdir = None  # asked for anew
        try:
            yield home, folder
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
            tempfile.tempdir = None
