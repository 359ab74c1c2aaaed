"""What modules here measure on pictures: kept in docs/NAME.json, of which `benchmarks.figures` writes the tables that documents show.

Such a module has `RUNS`, {name: settings} of what documents show; `measure(**settings)`, which returns plain data; and `tables(runs)`, which returns
{mark: rows of cells} of what was kept. `main` gives it a command line:

    python -m benchmarks.NAME                   # all runs, kept
    python -m benchmarks.NAME RUN ...           # some of them; the others stay as they are
    python -m benchmarks.NAME [RUN] --limit 5   # settings of one's own: printed, not kept
"""

import argparse
import inspect
import json
import math
import sys
from importlib.metadata import version
from pathlib import Path

from core.errors import InputError
from dashboard.language import catalogue

DOCS = Path(__file__).parents[1] / "docs"
DIGITS = 6  # of what is kept, more than is shown, so that nothing is rounded twice to another figure


def main(module, arguments=None):
    """Measure runs of a module and print their tables. Returns: the exit code, 2 where pictures are missing for one; what was kept of it stays."""
    name = Path(module.__file__).stem
    defaults = {key: given.default for key, given in inspect.signature(module.measure).parameters.items()}
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=module.__doc__.split("\n")[0])
    parser.add_argument("RUN", nargs="*", help=f"of {', '.join(module.RUNS)}; default all, and with settings of one's own the first")
    for key, default in defaults.items():
        few = {"nargs": "+", "type": type(default[0])} if isinstance(default, tuple) else {"type": type(default)}
        how = {"action": "store_true"} if default is False else few
        parser.add_argument(f"--{key.replace('_', '-')}", default=argparse.SUPPRESS, help=f"default {default}; nothing is kept then", **how)
    own = vars(parser.parse_args(arguments))
    chosen = own.pop("RUN") or list(module.RUNS)[: 1 if own else None]
    if wrong := [run for run in chosen if run not in module.RUNS]:
        parser.error(f"there is no run {wrong[0]!r}; there are {', '.join(module.RUNS)}")
    kept, missing = {} if own else read(name), False
    for run in chosen:
        asked = {key: value for key, value in module.RUNS[run].items() if not (own and value is True)}  # a switch is its run's alone
        settings = {**defaults, **asked, **own}
        try:
            found = module.measure(**settings)
        except InputError as error:
            print(f"{name} {run} stays as it is: {error} BLOCKSCOPE_DATA may name the folder.", file=sys.stderr)
            missing = True
            continue
        kept[run] = json.loads(json.dumps({"settings": settings, **rounded(found), "torch": version("torch")}, allow_nan=False))
        if not own:
            write(name, {one: kept[one] for one in module.RUNS if one in kept})
    for mark, rows in module.tables(kept).items():
        print(f"{mark}\n\n{table(rows)}\n", flush=True)
    return 2 if missing else 0


def read(name):
    """Return {run: what was kept} of a module, {} where nothing was."""
    file = DOCS / f"{name}.json"
    return json.loads(file.read_text("utf-8"))["runs"] if file.is_file() else {}


def write(name, runs):
    """Keep the runs of a module. Args: runs: as `read` returns."""
    (DOCS / f"{name}.json").write_text(json.dumps({"made by": f"python -m benchmarks.{name}", "runs": runs}, indent=1) + "\n", "utf-8")


def rounded(value):
    """Return plain data with its floats at `DIGITS` digits after the point, None for what is no finite number."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    if hasattr(value, "tolist"):  # tensors and what NumPy returns
        return rounded(value.tolist())
    return (round(value, DIGITS) if math.isfinite(value) else None) if isinstance(value, float) else value


def table(rows):
    """Return rows of cells as Markdown, the first row the heads; columns whose head begins with ">" stand at the right."""
    heads = rows[0]
    lines = [[head.lstrip(">") for head in heads], ["---:" if head.startswith(">") else "---" for head in heads], *rows[1:]]
    return "\n".join("".join(f"| {cell} " if cell else "| " for cell in line) + "|" for line in lines)


def marked(name, body):
    """Return Markdown between the marks by which `benchmarks.figures` finds its place again."""
    return f"<!-- figures: {name} -->\n\n{body}\n\n<!-- end of figures -->"


def set_title(name):
    """Return the name of an unknown set in English, as on screen but for puzzles, which are called theirs there."""
    return "puzzles of known pictures" if name == "jigsaw" else catalogue("en")[f"blocks.set_{name}"]


def number(value, digits=1):
    """Return a figure as a cell, "-" for one that is not there."""
    return "-" if value is None else f"{value:.{digits}f}"
