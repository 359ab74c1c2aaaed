"""Disks that are full or may only be read: small file systems of their own, mounted in memory, which needs root."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from core.disk import UNFINISHED
from core.runs import Store
from tests.soak.killed import COMMANDS, TRAIN
from tests.soak.table import Row

SIZE, ROOM = 2**20, 4_000  # bytes of the disk, and of those that are left on it: less than whatever is written
REPORT = COMMANDS["report"]
TRIED = "import sys\nfrom core.errors import InputError\ntry:\n    {}\nexcept InputError as error:\n    print('error:', error)\n    sys.exit(2)\n"
UPLOAD = "from core.uploads import keep_file\n    keep_file('picture.png', bytes(10**6))"
START = "from core.training.live import Trainings\n    Trainings().start(['train'])"
SAVE = "from core.packs import load_pack\n    from core.packs.pack import save\n    p = load_pack('toybox', device='cpu')\n"
SAVE += "    rest = {{'preprocessing': p.preprocessing, 'selection': p.selection, 'reference': p.reference}}\n"
SAVE += "    save('{}/pack', facts={{'arch': 'cifar_resnet18'}}, network=p.network, **rest)"


class NotTried(Exception):
    """It cannot be tried on this machine, for the reason that it says."""


@contextmanager
def disk(*, full):
    """Mount a disk that holds old files and a store with a run, and is then filled, or may only be read. Yields: its folder. Raises: NotTried."""
    place = Path(tempfile.mkdtemp(prefix="disk"))
    mounted = False
    try:
        if os.getuid() or not shutil.which("mount"):
            raise NotTried("only root mounts a disk")
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", place], capture_output=True, text=True)
        if made.returncode:
            raise NotTried(f"no disk can be mounted here: {made.stderr.strip()}")
        mounted = True
        for name in ("old.html", "old.parquet"):
            (place / name).write_text("old")
        with Store(f"sqlite:///{place}/runs.sqlite") as store:
            store.add("bench", {"old": True})
        if full:
            free = os.statvfs(place)
            (place / "ballast").write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - ROOM)))
        else:
            subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        yield place
    finally:
        if mounted:
            subprocess.run(["umount", "-l", place], check=True)
        place.rmdir()


def disk_rows(run, *, full, quick):
    """Write to such a disk with each of what writes. Args: quick: without those that compute for long. Yields: `Row`."""
    what = "a full disk" if full else "a disk that may only be read"
    try:
        with disk(full=full) as place:
            yield from _written(run, place, what, full, quick)
    except NotTried as reason:
        yield Row("faults", what, 0, 0, f"not tried: {reason}")


def _written(run, place, what, full, quick):
    tried = {
        "corrupted pictures": [*COMMANDS["corrupt"].words, "--out", place / "old.parquet"],
        "an upload": ["-c", TRIED.format(UPLOAD)],
        "the files of a pack": ["-c", TRIED.format(SAVE.format(place))],
    }
    if not full:
        tried["the start of a training"] = ["-c", TRIED.format(START)]
    if not quick:
        tried |= {
            "the history of a watch": [*COMMANDS["watch"].words, "--out", place / "new.jsonl"],
            "a report": [*REPORT.words, "--out", place / "old.html"],
            "scores": [*COMMANDS["score"].words, "--out", place / "old.parquet"],
            "a checkpoint": [*TRAIN, "--out", place / "trained"],
            "what is measured for a pack": [*COMMANDS["pack new"].words, "--out", place / "made"],
        }
    for name, words in tried.items():
        before = _state(place)
        ended = run(words, XDG_DATA_HOME=place)
        wrong = [] if ended.sentence else [f"no sentence but: {ended.said[-300:]}"]
        wrong += _changed(place, before)
        yield Row("faults", f"{name} on {what}", 1, min(1, len(wrong)), "; ".join(wrong) or _sentence(ended))
        for path in place.glob("*") if full else ():  # what was done before it was full: a begun history, finished parts
            if path.name not in before:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = _state(place)
    ended = run(COMMANDS["bench"].words, BLOCKSCOPE_RUNS=f"sqlite:///{place}/runs.sqlite")
    wrong = [] if ended.code == 0 and "warning: the result is not kept" in ended.said and "Traceback" not in ended.said else [ended.said[-300:]]
    wrong += _changed(place, before)
    yield Row("faults", f"a run on {what}", 1, min(1, len(wrong)), "; ".join(wrong) or "the result is shown, a line says that it is not kept")


def _state(place):
    return {path.name: path.read_text() for path in place.glob("old.*")} | {path.name: "" for path in place.iterdir() if not path.name.startswith("old.")}


def _changed(place, before):
    """Return sentences of what is not as it was, or was left half written."""
    wrong = [f"{name} is no longer as it was" for name, text in before.items() if name.startswith("old.") and (place / name).read_text() != text]
    wrong += [f"{path.name} was left" for path in place.rglob(f"*{UNFINISHED}")]
    wrong += [f"{path.name} is half a pack" for path in place.glob("*/weights.safetensors") if not (path.parent / "pack.toml").is_file()]
    with Store(f"sqlite:///{place}/runs.sqlite") as store:
        try:
            (old,) = store.list()
            if old.result != {"old": True}:
                wrong.append("the run that was kept has changed")
        except Exception as error:
            wrong.append(f"the store of runs cannot be read any more: {error}")
    return wrong


def _sentence(ended):
    return ended.said[ended.said.index("error: ") :].strip().splitlines()[0]
