"""What do training methods change? Standard training, Mixup, M-TLAT and Adversarial-Mixup on the same known and unknown pictures.

    python -m benchmarks.training_methods --data DATA --packs FOLDER

Packs are compared that differ in the method and the seed alone. Each one's validation pictures and all unknown pictures that it names are
measured whole (of noise, which is drawn, 2,000), through its own preprocessing, for every detector. What a pack measured is kept under
build/, so that a second start goes on.
"""

import argparse
import hashlib
import json
import math
import os
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measured import marked
from benchmarks.training_grid import choose
from core.detectors import DETECTORS
from core.detectors.odin import perturbation
from core.device import pick_device
from core.errors import InputError
from core.evaluation import evaluate, figures
from core.images.sources import open_source, read
from core.packs import SHIPPED as SHIPPED_PACKS
from core.packs import describe, load_pack
from core.probe import probe_all
from core.training import METHODS
from core.training.comparison import CONVENTION, DATA, EQUAL, FAMILY, METHOD, METRICS, SHIPPED, STAND_INS, checked, improvement, spread
from core.verdict import Judge

CONVENTIONS = (CONVENTION, "id_positive")
PAPER = ("msp", "odin")  # the paper's detectors
USUAL_WIDTH = 64
DRAWN = 2000  # pictures of a noise set, which could be drawn without end


@dataclass(frozen=True)
class Trained:
    """A pack that may be compared: `facts` are the columns of the table that tell it from others; `unknown` is {set: id of its source}."""

    folder: Path
    description: object
    facts: dict
    validation: str
    unknown: dict

    @property
    def family(self):
        return tuple(self.facts[name] for name in FAMILY)

    @property
    def key(self):
        """Return a hash of its table of files: the same for the same weights and reference, wherever they lie."""
        return _hash(self.description.facts.get("files", {}))


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_methods", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the CIFAR-10 and OOD Parquet files")
    parser.add_argument("--packs", type=Path, action="append", default=[], metavar="FOLDER", help="folder of packs, beside the shipped ones; repeat")
    parser.add_argument("--limit", type=int, help="how many pictures of each set (default all)")
    parser.add_argument("--grid", type=Path, default=Path("docs/training_grid.json"), help="the search of alpha and eps, for the report")
    parser.add_argument("--cache", type=Path, default=Path("build/training_methods"), help="folder for what packs measured")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--report", type=Path, default=Path("docs/training.md"))
    parser.add_argument("--device", help="cuda, mps or cpu; by default the best there is")
    options = parser.parse_args(arguments)
    packs = find([SHIPPED_PACKS, *options.packs])
    if not packs:
        print("error: No packs differ in their training method alone; train some and name their folder with --packs.", file=sys.stderr)
        return 2
    tables = []
    for i, pack in enumerate(packs):
        _say(f"{i + 1} of {len(packs)}: {pack.facts['pack']}")
        tables.append(cached(pack, options.data, options.limit, options.cache, options.device).assign(**pack.facts))
    table = pd.concat(tables, ignore_index=True)
    table = table[[*FAMILY, "method", "seed", "pack", *(c for c in table.columns if c not in (*FAMILY, "method", "seed", "pack"))]]
    _write(options.out, lambda file: table.to_parquet(file, compression="zstd", index=False))
    grid = json.loads(options.grid.read_text("utf-8")) if options.grid.is_file() else None
    _write(options.report, lambda file: file.write_text(report(table, packs, grid), "utf-8"))
    return 0


def find(folders):
    """Return the `Trained` packs of folders whose families have two methods at least, family by family. A pack that is there twice counts once."""
    families = {}
    for file in [file for folder in folders for file in sorted(folder.glob("[!.]*/pack.toml"))]:
        try:
            pack = _trained(describe(file.parent))
        except InputError as error:
            _say(f"left out: {error}")
            continue
        if pack is None:
            continue
        of = families.setdefault(pack.family, {})
        first = of.setdefault((pack.facts["method"], pack.facts["seed"]), pack)
        if first.key != pack.key:
            _say(f"left out: {pack.facts['pack']} has the method and the seed of {first.facts['pack']}")
    order = list(METHODS)
    compared = [of for _, of in sorted(families.items(), key=lambda one: str(one[0])) if len({method for method, _ in of}) > 1]
    return [of[one] for of in compared for one in sorted(of, key=lambda one: (order.index(one[0]), one[1]))]


def _trained(description):
    """Return the `Trained` of a pack, None if it does not say which pictures it knows or by which of our methods it was trained."""
    facts = description.facts
    known = facts.get("pictures", {}).get("held_out", {}).get("source", "")
    training = facts["training"]
    if "train" not in known or training["method"] not in METHODS:
        return None
    row = {
        "data": known.removeprefix("data:").replace("train", "").strip(":_/"),
        "arch": facts["arch"],
        "width": facts.get("width", 0),  # 0 for an architecture without one
        "epochs": training.get("epochs", 0),
        "ema": float(training.get("ema", 0)),
        "method": training["method"],
        "seed": training.get("seed", 0),
        "pack": description.name,
    }
    unknown = {name: found["source"] for name, found in facts["pictures"].items() if found["source"] != known}  # puzzles are made of known pictures
    return Trained(description.folder, description, row, known.replace("train", "test"), unknown)


def cached(pack, data, limit, folder, device=None):
    """Return what `measured` does, from a file in a folder where an earlier start left it."""
    file = folder / f"{_hash([pack.key, pack.unknown, limit, list(DETECTORS), CONVENTIONS])[:16]}.parquet"
    if not file.is_file():
        found = measured(pack, data, limit, device)
        _write(file, lambda part: found.to_parquet(part, index=False))
    return pd.read_parquet(file)


def measured(pack, data, limit=None, device=None):
    """Measure a pack on its known and unknown pictures. Returns: the columns of the table but those of `pack.facts`; a row a detector, set and convention."""
    loaded = load_pack(pack.folder, device=pick_device(device))
    judge = Judge(loaded.reference, tuple(DETECTORS))

    def activations(spec):
        most = min(limit or DRAWN, DRAWN) if spec.startswith("noise:") else limit
        batch = _pictures(_place(spec, data), loaded.preprocessing, most)
        _say(f"  {spec}: {len(batch.images):,} pictures")
        options = {"means": (loaded.reference.middle,), "perturb": perturbation(loaded.preprocessing), "device": loaded.device}
        return probe_all(loaded.network, batch.images, loaded.preprocessing, **options), batch.labels

    known, labels = activations(pack.validation)
    unknown = {name: activations(spec)[0] for name, spec in pack.unknown.items()}
    evaluation = evaluate(judge, unknown, known=known, labels=labels)
    confidence = {name: 100 * a.logits.double().softmax(1).amax(1).mean().item() for name, a in {"": known, **unknown}.items()}
    rows = []
    for convention in CONVENTIONS:
        _say(f"  figures by {convention}")
        for detector, sets in figures(evaluation, convention=convention, resamples=0).items():
            for name, row in sets.items():
                counts = {"known": len(known), "unknown": len(unknown[name]), "accuracy": 100 * evaluation.accuracy}
                shares = {"confidence_known": confidence[""], "confidence": confidence[name]}
                rows.append({"detector": detector, "set": name, "convention": convention, **counts, **row, **shares})
    return pd.DataFrame(rows)


@cache
def _pictures(spec, preprocessing, limit):
    batch = read(open_source(spec), preprocessing, stop=limit)
    if not batch.names:
        raise InputError(f"No picture of {spec} can be read.", key="source.empty", spec=spec)
    return batch


def _place(spec, data):
    """Return where a source lies, of its id: "data:" is a file of the data folder, wherever a pack's maker had it there."""
    if not spec.startswith("data:"):
        return spec
    file = data / f"{spec.removeprefix('data:')}.parquet"
    return str(file if file.is_file() else data / "ood" / file.name)


def report(table, packs, grid=None):
    """Return the comparison as Markdown. Args: table: see `core.training.comparison`; packs: the `Trained` ones; grid: what `training_grid` found, or None."""
    lines = [
        "# Training methods, compared",
        "",
        "Made by `python -m benchmarks.training_methods`; the numbers are in `assets/training_methods.parquet`. Every sentence that states a finding is",
        "computed from them. Figures are percentages; known pictures (ID) are positive everywhere. `odin_grid` is the paper's convention: 100,000",
        "thresholds from the lowest to the highest score; FPR@TPR95 is the share of unknown pictures that pass where 95 % of the known ones do (lower is",
        "better). Where a method has several seeds, its figure is their mean. A detector judges each network by the same rule: the only difference",
        "between the columns of a table is how the network was trained.",
        "",
    ]
    written = sections(table, grid, packs)
    claims = marked("training_claims", written.pop("training_claims"))
    return "\n".join([*lines, claims, "", *_setup(packs), "\n\n".join(marked(*one) for one in written.items())]) + "\n"


def sections(table, grid, packs):
    """Return {mark: Markdown} of what the report says from files, not from packs that need not be here. Args: as of `report`."""
    families = [line for family, of in table.groupby(list(FAMILY), sort=False) for line in _family(dict(zip(FAMILY, family, strict=True)), of)]
    lines = {"training_claims": _paper(table), "training_grid": _search(grid, packs) if grid else [], "training_networks": families}
    return {mark: "\n".join(of).rstrip("\n") for mark, of in lines.items() if of}


def _paper(table):
    """Return the lines that hold the paper's claims against what was measured."""
    found = checked(table)
    verdicts = found.verdict.value_counts()
    rows = [
        (
            row.text,
            row.arch,
            ", ".join(row.ours),
            "no improvement" if math.isnan(row.claimed) else f"{row.claimed:.0f}",
            _number(row.measured),
            f"{row.counted} of {row.wanted}",
            row.verdict,
        )
        for row in found.itertuples()
    ]
    used = table[(table.data == DATA) & (table.method == METHOD)]
    return [
        "## What the paper claims, and what came out here",
        "",
        f"Of {len(found)} claims of Gwon & Yoo: " + ", ".join(f"{n} {name}" for name, n in verdicts.items()) + ".",
        "",
        "Improvement is relative, (other - Adversarial-Mixup) / other in %, of FPR@TPR95 with Maximum Softmax and by `odin_grid`, positive = better; the mean",
        "is over improvements. The paper calls its figures relative, prints no table and names no other metric or method for some of them: that reading is",
        "ours. Against Mixup, but for the first line, which is against standard training (Maximum Softmax and ODIN), Mixup and M-TLAT. *Reproduced*: at least",
        "what is claimed, or no better where the paper says so; *in part*: better, but by less; *not reproduced*: no better, or better where it says not.",
        f"Less than {EQUAL:g} % is called no better; this bound was set after the figures had been seen.",
        "*Of*: comparisons (architectures x others x sets) that there are of those that there should be; an FPR@TPR95 of 0 cannot be bettered and is left out.",
        *([f"n: {_counts(used)}."] if len(used) else []),
        "",
        *_table(("claim", "architecture", "our sets", "claimed, %", "measured, %", "of", "verdict"), rows),
        "",
        "Which of our sets stands for which of the paper's:",
        "",
        *_table(("paper", "here", "how near"), [(name, ours or "-", near) for name, (ours, near) in STAND_INS.items()]),
        "",
    ]


def _setup(packs):
    """Return the lines that say what was trained and how that differs from the paper."""
    rows, commands = [], []
    for pack in packs:
        training, said = pack.description.facts["training"], pack.description.facts["figures"]
        settings = ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in training.get("settings", {}).items())
        rows.append(
            (
                pack.facts["pack"],
                METHODS[pack.facts["method"]].title,
                settings or "-",
                pack.facts["arch"],
                pack.facts["width"],
                pack.facts["epochs"],
                pack.facts["seed"],
                training.get("pictures", "-"),
                training.get("precision", "-"),
                training.get("device", "-"),
                training.get("hours", "-"),
                f"{said['accuracy']:.2f} (n = {said['pictures']:,})",
            )
        )
        commands.append(training.get("command", "-"))
    slim = sorted({pack.facts["width"] for pack in packs if 0 < pack.facts["width"] < USUAL_WIDTH})
    quality = sorted({str(pack.description.facts["preprocessing"]["jpeg"]) for pack in packs if "jpeg" in pack.description.facts["preprocessing"]})
    epochs = sorted({pack.facts["epochs"] for pack in packs})
    head = ("pack", "method", "settings", "architecture", "width", "epochs", "seed", "training pictures", "precision", "device", "hours", "accuracy, %")
    return [
        "## What was trained",
        "",
        "All methods of a family have the same schedule, pictures and network; only the loss differs. Accuracy is what `pack.toml` says.",
        "",
        *_table(head, rows),
        "",
        "```",
        *commands,
        "```",
        "",
        "Different from the paper:",
        "",
        *([f"- Networks are slim: {_list(slim)} channels in the first stage where the usual ones have {USUAL_WIDTH}."] if slim else []),
        f"- They were trained for {_list(epochs)} epochs.",
        *([f"- CIFAR-10 is a JPEG copy; every input goes through the same JPEG (quality {_list(quality)}), so that it decides nothing."] if quality else []),
        "- SVHN, iSUN and LSUN are not here, and our ImageNet sets are smaller: see the stand-ins above. We add sets that the paper does not have.",
        "- The paper does not give alpha and eps. ODIN has its temperature and step of Liang et al., not tuned.",
        "",
    ]


def _search(grid, packs):
    """Return the lines on the search of alpha and eps."""
    lines = grid["lines"]
    tried = Counter(line["method"] for line in lines if line["settings"].get("reading") != "two-term")
    chosen = [choose(lines, method) for method in tried if tried[method] > 1]
    values = ("accuracy", *grid["criterion"], "fpr95", "confidence")
    rows = [
        (METHODS[line["method"]].title, *_settings(line["settings"]), *(line[value] for value in values), "chosen" if line in chosen else "") for line in lines
    ]
    says = []
    for line in chosen:
        used = {_settings(pack.description.facts["training"].get("settings", {})) for pack in packs if pack.facts["method"] == line["method"]}
        if used:
            same = used == {_settings(line["settings"])}
            says.append(f"{METHODS[line['method']].title}: the packs {'have what was chosen' if same else 'have other settings than were chosen'}.")
    head = ("method", "alpha", "eps", "reading", "accuracy, %", *grid["criterion"], "mean FPR@95TPR, %", "confidence, %", "")
    return [
        "## The search of alpha and eps",
        "",
        f"By `python -m benchmarks.training_grid`: {grid['arch']} of width {grid['width']}, {grid['epochs']} epochs on {grid['trained']:,} training",
        f"pictures, seed {grid['seed']}; no OOD picture is read. FPR@95TPR (`{grid['convention']}`) of Maximum Softmax on pseudo-OOD made of",
        f"n = {grid['kept']:,} held-out training pictures ({_list(grid['criterion'])}). Chosen: the lowest mean among those at most",
        f"{grid['tolerance']:g} points of accuracy below the method's best. Confidence: mean maximum softmax of the held-out pictures.",
        "",
        *_table(head, rows),
        "",
        *([" ".join(says), ""] if says else []),
    ]


def _settings(settings):
    """Return (alpha, eps in 255ths, reading) of a method as words."""
    eps = f"{255 * settings['eps']:.3g}/255" if "eps" in settings else "-"
    return f"{settings['alpha']:g}" if "alpha" in settings else "-", eps, settings.get("reading", "-")


def _family(family, of):
    """Return the sections of one family: packs that differ in method and seed alone."""
    methods = [method for method in METHODS if method in set(of.method)]
    sets = list(dict.fromkeys(of.set))
    title = f"{family['data']}, {family['arch']} (width {family['width']}, {family['epochs']} epochs)"
    paper = of[of.convention == CONVENTION]
    seeds = of.groupby("method").seed.nunique()
    ranges = spread(of)
    n = f"n: {_counts(of)}"
    lines = [
        f"## {title}",
        "",
        f"{n}. Seeds: " + ", ".join(f"{METHODS[method].title} {seeds[method]}" for method in methods) + ".",
        "",
        "### Accuracy and confidence",
        "",
        "Confidence is the mean maximum softmax; unknown: the mean over the sets; no convention enters.",
        "",
        *_confidence(ranges, methods),
    ]
    for detector in PAPER:
        each = paper[paper.detector == detector]
        if not len(each):
            continue
        means = each.groupby(["set", "method"])[list(METRICS)].mean()
        rows = [(name, *(_four(means, name, method) for method in methods)) for name in sets]
        average = means.groupby("method").mean()
        rows.append(("mean", *(_cell(average.loc[method]) for method in methods)))
        best = min(methods, key=lambda method: average.fpr95[method])
        lines += [
            f"### {DETECTORS[detector].title}",
            "",
            f"FPR@TPR95 / AUROC / AUPR-In / AUPR-Out, %, `{CONVENTION}`; n as above.",
            "",
            *_table(("set", *(METHODS[method].title for method in methods)), rows),
            "",
            f"Lowest mean FPR@TPR95: {METHODS[best].title} ({average.fpr95[best]:.1f} %); "
            + ", ".join(f"{METHODS[method].title} {average.fpr95[method]:.1f} %" for method in methods if method != best)
            + ".",
            _exact(of[of.detector == detector], methods),
            "",
        ]
    lines += _improved(paper, methods, sets, n) + _others(of, methods) + _seeds(of, ranges, methods, seeds)
    return lines


def _confidence(ranges, methods):
    """Return the table of accuracy and confidence by method, and what it says."""
    any_one = ranges[(ranges.detector == "msp") & (ranges.convention == CONVENTION)].set_index(["method", "value"])["mean"]
    rows, gaps = [], {}
    for method in methods:
        accuracy, known, unknown = (any_one[method, value] for value in ("accuracy", "confidence_known", "confidence"))
        gaps[method] = known - unknown
        rows.append((METHODS[method].title, f"{accuracy:.2f}", *(_number(value) for value in (known, unknown, gaps[method]))))
    accuracy = {method: any_one[method, "accuracy"] for method in methods}
    best = _list(METHODS[method].title for method in methods if accuracy[method] == max(accuracy.values()))
    widest = max(methods, key=gaps.get)
    return [
        *_table(("method", "accuracy, %", "confidence, known, %", "confidence, unknown, %", "gap, points"), rows),
        "",
        f"Most accurate: {best}. Widest gap between the confidence in known and in unknown pictures: {METHODS[widest].title} ({_number(gaps[widest])} points).",
        "",
    ]


def _exact(of, methods):
    """Return a sentence: how far are areas on the grid from exact ones? A softmax that is nearly 1 for most known pictures falls into few steps."""
    means = of.groupby(["method", "convention"]).auroc.mean().unstack()
    apart = (means[CONVENTION] - means["id_positive"]).abs()
    each = ", ".join(f"{METHODS[method].title} {means['id_positive'][method]:.1f} %" for method in methods)
    return f"Exact mean AUROC (`id_positive`): {each}; by `{CONVENTION}` it is up to {apart.max():.1f} points apart."


def _improved(paper, methods, sets, n):
    """Return the table of improvements against Mixup."""
    if "mixup" not in methods:
        return []
    found = improvement(paper)
    found = found[found.detector == "msp"]
    others = [method for method in methods if method != "mixup"]
    by = found.set_index(["set", "method"])[list(METRICS)]
    rows = [(name, *(_four(by, name, method, signed=True) for method in others)) for name in sets]
    average = by.groupby("method").mean()
    rows.append(("mean of these", *(_cell(average.loc[method], signed=True) for method in others)))
    return [
        "### Improvement against Mixup",
        "",
        f"Relative, % of Mixup's figure, positive = better, `{CONVENTION}`, Maximum Softmax: FPR@TPR95 / AUROC / AUPR-In / AUPR-Out. A dash: Mixup has 0.",
        f"{n}.",
        "",
        *_table(("set", *(METHODS[method].title for method in others)), rows),
        "",
        "Mean improvement of FPR@TPR95 against Mixup: " + ", ".join(f"{METHODS[m].title} {_number(average.fpr95[m], signed=True)} %" for m in others) + ".",
        "",
    ]


def _others(of, methods):
    """Return the mean over the sets for all detectors, method x detector."""
    each = of[of.convention == "id_positive"]
    means = each.groupby(["detector", "method", "set"])[list(METRICS)].mean().groupby(["detector", "method"]).mean()
    rows = []
    for detector in DETECTORS:
        cells = [means.loc[detector, method] if (detector, method) in means.index else None for method in methods]
        if any(cell is not None for cell in cells):
            rows.append((DETECTORS[detector].title, *("-" if cell is None else f"{cell.fpr95:.1f} / {cell.auroc:.1f}" for cell in cells)))
    best = means.fpr95.idxmin()
    return [
        "### All detectors",
        "",
        "Mean over the sets, FPR@95TPR / AUROC, %, `id_positive`, which needs no grid and is exact; n as above.",
        "",
        *_table(("detector", *(METHODS[method].title for method in methods)), rows),
        "",
        f"Lowest mean FPR@95TPR of all: {DETECTORS[best[0]].title} with {METHODS[best[1]].title} ({means.fpr95[best]:.1f} %).",
        "",
    ]


def _seeds(of, ranges, methods, seeds):
    """Return the spread over seeds, where there are several, and whether that of a method lies apart from Mixup's."""
    if seeds.max() < 2:
        return []
    shown = ("accuracy", "confidence_known", "confidence", "fpr95", "auroc")
    head = ("detector", "method", "seeds", "accuracy", "confidence, known", "confidence, unknown", "FPR@TPR95", "AUROC")
    rows = []
    paper = ranges[(ranges.convention == CONVENTION) & ranges.detector.isin(PAPER)].set_index(["detector", "method", "value"])
    for detector in PAPER:
        for method in methods:
            if (detector, method, "fpr95") in paper.index:
                cells = [paper.loc[detector, method, value] for value in shown]
                ranged = (f"{c['mean']:.1f} ({c.low:.1f} to {c.high:.1f})" for c in cells)
                rows.append((DETECTORS[detector].title, METHODS[method].title, cells[0].seeds, *ranged))
    return [
        "### Seeds",
        "",
        f"Mean (lowest to highest) over the seeds of the mean over the sets, %, `{CONVENTION}`. n: {_counts(of)}.",
        "",
        *_table(head, rows),
        "",
        *[line for detector in PAPER for line in _apart(paper, detector, methods)],
    ]


def _apart(paper, detector, methods):
    """Return sentences: is the method's FPR@TPR95 apart from the others' by more than the seeds are?"""
    says = []
    for other in methods:
        pair = [(detector, method, "fpr95") for method in (METHOD, other)]
        if other == METHOD or not all(one in paper.index for one in pair):
            continue
        ours, theirs = (paper.loc[one] for one in pair)
        points = ours["mean"] - theirs["mean"]
        overlap = ours.low <= theirs.high and theirs.low <= ours.high
        side = f"{abs(points):.1f} points {'lower' if points < 0 else 'higher'}"
        apart = "their seeds' ranges overlap" if overlap else "their seeds' ranges lie apart"
        few = "" if min(ours.seeds, theirs.seeds) > 1 else "; one of them has a single seed"
        says.append(f"- {DETECTORS[detector].title}: FPR@TPR95 of {METHODS[METHOD].title} is {side} than of {METHODS[other].title}; {apart}{few}.")
    return [*says, ""] if says else []


def _counts(of):
    """Return how many pictures of each set were measured, as words."""
    counts = dict(zip(of.set, of.unknown, strict=True))
    return f"{_list(sorted({f'{n:,}' for n in of.known}))} known; " + ", ".join(f"{name} {n:,}" for name, n in counts.items())


def _four(by, name, method, *, signed=False):
    return _cell(by.loc[name, method], signed=signed) if (name, method) in by.index else "-"


def _cell(row, *, signed=False):
    return " / ".join(_number(row[metric], signed=signed) for metric in METRICS)


def _number(value, *, signed=False):
    return "-" if np.isnan(value) else f"{value:{'+' if signed else ''}z.1f}"


def _list(values):
    return ", ".join(map(str, values))


def _table(head, rows):
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *(f"| {' | '.join(map(str, row))} |" for row in rows)]


def _hash(document):
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _write(file, write):
    """Write a file beside its place and move it there. Args: write: called with where to write."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    write(part)
    os.replace(part, file)


def _say(line):
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
