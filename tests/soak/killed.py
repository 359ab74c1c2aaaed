"""Commands and the work of a server, killed at moments that nobody chose, and then done again: what is there afterwards."""

import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pyarrow.parquet as pq

from core.adaptation.plan import Plan
from core.disk import UNFINISHED
from core.packs import SHIPPED, describe, list_packs, load_pack
from core.packs.new import building_of
from core.runs import Store
from core.training.command import checkpoint_of
from core.training.live import Trainings
from core.training.trainer import read_curve
from core.watch.history import read_history
from tests.soak.table import Row

TRAIN = (
    "train --data toybox:train --val toybox:val --val-limit 20 --limit 48 --holdout 60 --bank 60 --ood-limit 20 --ood noise=toybox:noise"
    " --arch cifar_resnet20 --width 4 --batch-size 16 --peak 0.05 --border crop --epochs 3"
).split()
PACK = ["pack", "new", "--weights", str(SHIPPED / "toybox" / "weights.safetensors"), "--images", "toybox:val", "--limit", "60", "--anyway"]
PLAN = Plan("toybox", ("source", "bn"), ("fog",), "toybox:test", "toybox:train", limit=400, batch_size=4)


@dataclass(frozen=True)
class Command:
    """A command that is killed. Attributes: words; out: the name of what it makes, or ""; look: raises unless that is whole, returns what must come out
    the same however often the command was killed."""

    words: list
    out: str = ""
    look: object = lambda path: None

    def of(self, folder):
        """Return the arguments. Args: folder: where it writes to."""
        return [word.replace("FOLDER", str(folder)) for word in self.words] + ["--out", str(folder / self.out)] * bool(self.out)


def look_at_pack(folder):
    load_pack(folder, device="cpu")
    return describe(folder).facts["figures"]


def look_at_table(file):
    return pq.read_table(file).to_pydict()


def look_at_report(file):
    assert file.read_text("utf-8").rstrip().endswith("</html>")


def look_at_history(file):
    read_history(file.read_bytes())


COMMANDS = {
    "train": Command(TRAIN, "trained", look_at_pack),
    "pack new": Command(PACK, "made", look_at_pack),
    "score": Command(
        "score --pack toybox --images toybox:test --limit 96 --batch-size 16 --shard-size 32 --detectors energy,msp".split(), "scores.parquet", look_at_table
    ),
    "corrupt": Command("corrupt --images toybox:test --corruption fog --severity 3 --limit 40".split(), "fog.parquet", look_at_table),
    "report": Command("report toybox:test/3 --pack toybox --method gradcam".split(), "report.html", look_at_report),
    "watch": Command("watch --pack toybox --images toybox:test --limit 60 --batch-size 20".split(), "history.jsonl", look_at_history),
    "bench": Command("bench --pack toybox --detectors energy,msp --resamples 50".split()),
    "adapt": Command("adapt --pack toybox --images toybox:test --corruptions fog --methods source,bn --limit 48 --batch-size 16".split()),
    "select": Command("select --pack FOLDER/copy --source toybox:train --source-limit 40".split(), "", lambda folder: None),
}


def command_rows(run, names, tries, seed=0):
    """Kill commands `tries` times, one after the other without tidying up, then let them come to their end. Args: names: of `COMMANDS`. Yields: `Row`."""
    for name in names:
        command = COMMANDS[name]
        with tempfile.TemporaryDirectory() as folder:
            yield _killed(run, name, command, Path(folder), tries, Random(f"{name} {seed}"))


def _killed(run, name, command, folder, tries, random):
    made, first = folder / "again", folder / "first"
    for each in (made, first):
        each.mkdir()
        shutil.copytree(SHIPPED / "toybox", each / "copy")
    environment = {"XDG_DATA_HOME": folder / "data", "BLOCKSCOPE_RUNS": f"sqlite:///{folder}/runs.sqlite"}
    through = run(command.of(first), **environment)
    expected, wrong, dead = command.look(first / command.out), [], 0
    for k in range(tries):
        moment = random.uniform(0, through.seconds)
        if command.out and k % 2:  # as soon as something is being written

            def moment():
                end = time.monotonic() + 2 * through.seconds
                while not any(made.rglob(f"*{UNFINISHED}")) and time.monotonic() < end:
                    time.sleep(0.0002)
                time.sleep(random.uniform(0, 0.003))

        ended = run(command.of(made), kill=moment, **environment)
        while ended.code != -9 and not callable(moment) and moment > 0.01:  # it was quicker
            moment /= 2
            ended = run(command.of(made), kill=moment, **environment)
        dead += ended.code == -9
        wrong += _damage(made, command, environment)
    again = run(command.of(made), **environment)
    wrong += _damage(made, command, environment)
    if again.code not in (0, 1) or "Traceback" in again.said:
        wrong.append(f"did not end: {again.said[-200:]}")
    elif command.look(made / command.out) != expected:
        wrong.append("another result than without a kill")
    left = sorted({p.relative_to(made).parts[0] for p in made.rglob("*")} - {p.relative_to(first).parts[0] for p in first.rglob("*")})
    wrong += [f"left behind: {', '.join(left)}"] * bool(left)
    seen = f"of {through.seconds:.1f} s; in the end it came to its end, with nothing left beside" if dead else "not tried: it was always quicker"
    return Row("faults", f"kill -9 of {name}", dead, min(len(wrong), max(1, dead)), "; ".join(wrong) or seen)


def _damage(folder, command, environment):
    """Return sentences of what is there and not whole: under the name of what was asked for, in the store of runs, among packs and selections."""
    wrong, checks = [], {}
    if command.out and (folder / command.out).exists():
        checks[command.out] = lambda: command.look(folder / command.out)
    if checkpoint_of(folder / "trained").exists():
        checks["checkpoint"] = lambda: read_curve(checkpoint_of(folder / "trained"))
    checks["runs"] = lambda: _read_runs(environment["BLOCKSCOPE_RUNS"])
    checks["selection"] = lambda: json.loads((folder / "copy" / "adaptation.json").read_text("utf-8"))
    checks["packs"] = lambda: [load_pack(path.parent, device="cpu") for path in folder.glob("[!.]*/pack.toml")]
    for what, check in checks.items():
        try:
            check()
        except Exception as error:  # whatever is wrong with it: it is damaged
            wrong.append(f"{what}: {error}")
    heap = [path.name for path in folder.rglob(f"*{UNFINISHED}")]
    return wrong + [f"{len(heap)} unfinished files at once"] * (len(heap) > 2)


def _read_runs(url):
    with Store(url) as store:
        return [store.arrays(run.id) for run in store.list(limit=None)]


def making_row(run, kind, tries):
    """Kill a server while it trains or builds, resume in another one. Args: kind: Trainings or Builds. Returns: `Row`."""
    words = [*TRAIN, "--epochs", "400"] if kind is Trainings else [*PACK, "--title", "Mine"]
    module, random, wrong = kind.__module__, Random(0), []
    for _ in range(tries):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            code = f"import time\nfrom {module} import {kind.__name__}\n{kind.__name__}({place!r}).start({words!r})\ntime.sleep(600)"

            def begun(folder=folder):
                until(lambda: any(folder.iterdir()))
                kept = (lambda name: checkpoint_of(folder / name).is_file()) if kind is Trainings else (lambda name: building_of(folder / name).is_dir())
                until(lambda: any(kept(order.name.split(".")[1]) for order in folder.glob(".*.order.json")))
                time.sleep(random.uniform(0, 0.5))

            run(["-c", code], kill=begun, XDG_DATA_HOME=folder / "data")
            wrong += _resume(kind(folder))
            left = [path.name for path in folder.iterdir()]
            wrong += [f"left behind: {', '.join(left)}"] * bool(left)
    what = "training" if kind is Trainings else "building a pack"
    return Row("faults", f"kill -9 of a server that is {what}", tries, min(len(wrong), tries), "; ".join(wrong) or "found as interrupted, resumed where it was")


def _resume(makings):
    """Return what is wrong with a making whose server died; it is gone afterwards."""
    (order,) = makings.folder.glob(".*.order.json")
    one = makings.find(order.name.split(".")[1])
    if one.state == "done":  # it was quicker
        makings.remove(one)
        return []
    wrong = [] if one.state == "interrupted" else [f"is {one.state}, not interrupted"]
    before = len(makings.curve(one).loss) if isinstance(makings, Trainings) else 0
    makings.resume(one)
    until(lambda: not one.busy or (len(one.curve.loss) > before if isinstance(makings, Trainings) and one.curve else False))
    if one.job.error or one.job.bug:
        wrong.append(f"did not resume: {one.job.error or one.job.bug}")
    makings.remove(one)
    return wrong


def adapting_row(run, tries):
    """Kill a server while a network adapts: its run is in the store as interrupted. Returns: `Row`."""
    random, wrong, batches = Random(0), [], []
    code = (
        "import time, core.adaptation.live as live\nlive.STORED_EVERY = 0.2\nfrom core.adaptation.plan import plan_of\n"
        f"live.Adaptations().start(plan_of({PLAN.document()!r}))\ntime.sleep(600)"
    )
    for _ in range(tries):
        with tempfile.TemporaryDirectory() as place:
            url = f"sqlite:///{place}/runs.sqlite"
            with Store(url) as store:

                def stored(store=store):
                    until(lambda: store.list())
                    time.sleep(random.uniform(0, 1))

                run(["-c", code], kill=stored, XDG_DATA_HOME=place, BLOCKSCOPE_RUNS=url)
                found = store.list()
                if len(found) != 1 or found[0].result["state"] != "interrupted" or not store.arrays(found[0].id):
                    wrong.append(f"the store holds {[one.result['state'] for one in found]}")
                else:
                    batches.append(max(len(lane["rows"]) for lane in found[0].result["methods"].values()))
    seen = f"kept as interrupted, after batches {', '.join(map(str, batches))} of {PLAN.limit // PLAN.batch_size}"
    return Row("faults", "kill -9 of a server while a network adapts", tries, len(wrong), "; ".join(wrong) or seen)


def packs_row():
    """Look at what `python -m core packs` lists. Returns: `Row`."""
    wrong = []
    for name in (found := list_packs()):
        try:
            load_pack(name, device="cpu")
        except Exception as error:
            wrong.append(f"{name}: {error}")
    return Row("faults", "every pack that is listed loads", len(found), len(wrong), "; ".join(wrong))


def until(ready, seconds=120):
    """Wait until something is so. Raises: TimeoutError."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError("it took too long")
        time.sleep(0.01)
