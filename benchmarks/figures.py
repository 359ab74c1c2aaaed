"""Make the figures of the documents anew: python -m benchmarks.figures [--tables] [--measure [NAME ...]]

First `docs/figures.json`: what the packs that ship and the table of trainings tell, with convention, numbers of pictures, seed and interval. Then each table
in README.md and docs/ between `<!-- figures: NAME -->` and `<!-- end of figures -->`, which the function of that name in `TABLES` writes from the file, or
of speed from `docs/bench.json`, which `python -m benchmarks.run --json docs/bench.json` writes. The packs hold what their networks measured. `--tables`
takes the files as they are. What needs pictures is measured by the modules of `MEASURED`, each of which keeps a file: `--measure` runs them before, all
or those that are named; where pictures are missing, the file stays as it is. `STUDIES` took hours and have commands of their own; their tables are made of
their files.
"""

import argparse
import json
import re
import sys
from importlib import import_module
from pathlib import Path
from statistics import median

from benchmarks import adaptation_gate, consensus, training_methods
from benchmarks.harness import HEADS, Row
from benchmarks.measured import main as measure
from benchmarks.measured import marked, read, set_title, table
from benchmarks.start import GOALS
from core.detectors import DETECTORS
from core.evaluation import document, evaluate, figures
from core.packs import SHIPPED, load_pack
from core.training import METHODS
from core.training.comparison import CONVENTION as PAPERS
from core.training.comparison import DATA, read_comparison
from core.trust import Trust
from core.trust import document as trusted
from core.verdict import Judge

ROOT = Path(__file__).parents[1]
FILE, SPEED = ROOT / "docs" / "figures.json", ROOT / "docs" / "bench.json"
PACKS, CONVENTION, RESAMPLES, SEED = ("toybox", "cifar10"), "id_positive", 500, 0
RISKS, SHARES = (1, 2, 5), (0, 5)  # percent that may be wrong, and percent of unknown pictures, in the table of promises
SHOWN = ("featurenorm", "msp", "energy", "energy_selected_norm", "consensus")  # in the README
SCORES = {"msp": "confidence", "calibrated": "calibrated confidence", "consensus": "consensus", "both": "both"}
MEASURED = ("watch", "tokens", "masks", "counterfactual", "adaptation_stream", "thresholds", "explanation", "compression", "csi")
STUDIES = ("consensus", "adaptation_gate", "training_grid")
BLOCK = re.compile(r"<!-- figures: (\w+) -->.*?<!-- end of figures -->", re.DOTALL)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures", description=__doc__.split(":")[0])
    parser.add_argument("--tables", action="store_true", help="write the tables only, from the files as they are")
    parser.add_argument("--measure", nargs="*", choices=MEASURED, metavar="NAME", help=f"measure on pictures first: {', '.join(MEASURED)} (default all)")
    options = parser.parse_args(arguments)
    for name in MEASURED if options.measure == [] else options.measure or ():
        measure(import_module(f"benchmarks.{name}"), [])
    if not options.tables:
        FILE.write_text(json.dumps(measured(resamples=RESAMPLES), indent=1) + "\n", "utf-8")
    found = bodies(json.loads(FILE.read_text("utf-8")))
    for file in documents():
        text = file.read_text("utf-8")
        if (new := filled(text, found)) != text:
            file.write_text(new, "utf-8")
            print(file.relative_to(ROOT), file=sys.stderr)
    return 0


def documents():
    """Return the files that may have tables."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def bodies(found):
    """Return {mark: what stands there as Markdown}. Args: found: as `measured`."""
    rows = {name: of(found) for name, of in TABLES.items()}
    for name in MEASURED:
        rows |= import_module(f"benchmarks.{name}").tables(read(name))
    studies = {name: json.loads((ROOT / "docs" / f"{name}.json").read_text("utf-8")) for name in STUDIES}
    rows["adaptation_gate"] = adaptation_gate.rows([run for run in studies["adaptation_gate"]["runs"] if run["part"] == "test"])
    trainings = training_methods.sections(read_comparison(), studies["training_grid"], training_methods.find([SHIPPED]))
    return {mark: table(of) for mark, of in rows.items()} | trainings | {"consensus": consensus.report(studies["consensus"])}


def filled(text, found):
    """Return a document with its tables written anew. Args: found: as `bodies`. Raises: KeyError for a mark that `bodies` does not have."""
    return BLOCK.sub(lambda block: marked(block[1], found[block[1]]), text)


def measured(*, resamples):
    """Return all figures as plain data, percentages. Args: resamples: of the bootstrap behind the 95 % intervals; 0 leaves them out."""
    settings = {"convention": CONVENTION, "resamples": resamples, "seed": SEED, "interval": "95 %, bootstrap over pictures"}
    return {"made by": "python -m benchmarks.figures", **settings, "packs": {name: of_pack(name, resamples) for name in PACKS}, "training": of_trainings()}


def of_pack(name, resamples):
    """Return what one pack's numbers tell: validation (as it was built), detectors and blocks (on its held-out pictures), trust."""
    pack = load_pack(name, device="cpu")
    evaluation = evaluate(Judge(pack.reference, tuple(DETECTORS)), pack.reference.unknown, by_permutation=pack.selection.by_permutation)
    table = figures(evaluation, convention=CONVENTION, resamples=resamples, seed=SEED)
    trust = Trust(pack.reference, seed=SEED)
    told = {f"{share}": {f"{risk}": trusted(trust, risk=risk / 100, share=share / 100) for risk in RISKS} for share in SHARES}
    promises = {share: {risk: whole["hand_off"] for risk, whole in by_risk.items()} for share, by_risk in told.items()}
    whole = told[f"{SHARES[0]}"][f"{RISKS[0]}"]
    return {
        "validation": pack.facts["figures"],
        "held out": document(evaluation, table, convention=CONVENTION),
        "trust": {key: whole[key] for key in ("pictures", "temperature", "bins", "calibration")} | {"promises": promises},
    }


def of_trainings():
    """Return the means over the unknown sets of each network of the comparison that was trained on CIFAR-10, by the paper's convention."""
    whole = read_comparison()
    whole = whole[(whole.data == DATA) & (whole.convention == PAPERS) & (whole.detector == "msp") & (whole.set != "jigsaw")]
    columns = ["accuracy", "confidence_known", "confidence", "fpr95", "auroc"]
    found = []
    for (arch, method), rows in whole.groupby(["arch", "method"], sort=False):
        means = {column: round(float(rows[column].mean()), 3) for column in columns}
        counts = {"sets": len(rows), "known": int(rows.known.iloc[0]), "unknown": int(rows.unknown.sum()), "seeds": sorted(map(int, rows.seed.unique()))}
        found.append({"arch": arch, "method": method, "convention": PAPERS, **counts, **means})
    return sorted(found, key=lambda row: (row["arch"], list(METHODS).index(row["method"])))


def timed():
    """Return what `benchmarks.run --json` wrote: machine and rows."""
    return json.loads(SPEED.read_text("utf-8"))


def _of_sets(found, cells):
    """Yield a row for each set of each pack. Args: cells: called with the pack's figures and a set, returns texts."""
    for pack, of in found["packs"].items():
        names = list(of["validation"]["consensus"])
        for k, name in enumerate([*names[1:], names[0]]):  # puzzles, which come first in a pack, are no real unknown pictures
            yield [pack * (k == 0), set_title(name), *cells(of, name)]


def verdicts(found):
    """The consensus on pictures that set nothing."""

    def cells(of, name):
        row = of["validation"]["consensus"][name]
        return f"{row['auroc']:.1f}", f"{row['fpr95']:.1f}"

    return [["pack", "OOD set", ">AUROC, % (higher is better)", ">FPR@95TPR, % (ID positive; lower is better)"], *_of_sets(found, cells)]


def detectors(found):
    """Five detectors on the pictures that calibrate them; bold where FeatureNorm ranks better than the maximum softmax."""

    def cells(of, name):
        rows = {d: of["held out"]["detectors"][d][name] for d in SHOWN}
        texts = {d: f"{row['auroc']:.1f} / {row['fpr95']:.1f}" for d, row in rows.items()}
        if rows["featurenorm"]["auroc"] > rows["msp"]["auroc"]:
            texts["featurenorm"] = f"**{texts['featurenorm']}**"
        return texts.values()

    return [["pack", "OOD set", *(f">{DETECTORS[d].title}" for d in SHOWN)], *_of_sets(found, cells)]


def _every_detector(found, pack):
    """Every detector on every set of a pack, with intervals, the best mean first."""
    whole = found["packs"][pack]["held out"]
    names = [name for name in whole["pictures"] if name != "known"]

    def mean(detector):
        return sum(whole["detectors"][detector][name]["auroc"] for name in names) / len(names)

    def cell(row):
        (low, high), (least, most) = row["ci"]["auroc"], row["ci"]["fpr95"]
        return f"{row['auroc']:.1f} ({low:.1f} to {high:.1f}) / {row['fpr95']:.1f} ({least:.1f} to {most:.1f})"

    rows = [[DETECTORS[d].title, f"{mean(d):.1f}", *(cell(whole["detectors"][d][name]) for name in names)] for d in sorted(whole["detectors"], key=mean)[::-1]]
    return [["detector", ">mean AUROC", *(f">{set_title(name)}, {whole['pictures'][name]:,}" for name in names)], *rows]


def toybox(found):
    """Every detector on every set of the toybox."""
    return _every_detector(found, "toybox")


def cifar10(found):
    """Every detector on every set of cifar10."""
    return _every_detector(found, "cifar10")


def blocks(found):
    """How well NormRatio chose on each pack."""
    rows = []
    for pack, of in found["packs"].items():
        told = of["held out"]["blocks"]
        for k, (name, mean) in enumerate(zip(told["names"], told["mean"], strict=True)):
            mark = "selected" * (name == told["selected"]) + ", " * (name == told["selected"] == told["oracle"]) + "the best" * (name == told["oracle"])
            rows.append([pack * (k == 0), name, f"{mean:.1f}", str(told["votes"].get(name, 0)), mark])
    return [["pack", "block", ">mean AUROC of its FeatureNorm", ">shuffles that choose it", ""], *rows]


def training(found):
    """Confidence and OOD detection after four training methods."""
    names = {"resnet18": "ResNet-18", "vgg16": "VGG-16"}
    rows = []
    for row in found["training"]:
        arch = next(title for name, title in names.items() if name in row["arch"])
        title = METHODS[row["method"]].title.removesuffix(" training").replace("Standard", "standard")
        both = f"{row['confidence_known']:.1f} / {row['confidence']:.1f}"
        rows.append([f"{arch}, {title}", f"{row['accuracy']:.1f}", both, f"{row['fpr95']:.1f}", f"{row['auroc']:.1f}"])
    return [["CIFAR-10", ">accuracy, %", ">confidence, known / unknown, %", ">FPR@TPR95, %", ">AUROC, %"], *rows]


def calibration(found):
    """How far confidence is off."""
    rows = []
    for pack, of in found["packs"].items():
        maps = of["trust"]["calibration"]
        titles = {"before": "as it is", "temperature": f"T = {of['trust']['temperature']:.3f}", "isotonic": "isotonic"}
        for k, (name, row) in enumerate(maps.items()):
            nll = "" if row["nll"] is None or row["nll"] != row["nll"] else f"{row['nll']:.4f}"
            rows.append([pack * (k == 0), titles[name], f"{row['ece_width']:.2f}", f"{row['ece_mass']:.2f}", f"{row['brier']:.4f}", nll])
    return [["pack", "map", ">ECE, wide bins", ">ECE, full bins", ">Brier", ">NLL"], *rows]


def promises(found):
    """What the machine may decide alone."""
    rows = []
    for pack, of in found["packs"].items():
        for share, by_risk in of["trust"]["promises"].items():
            for score in by_risk[f"{RISKS[0]}"]:
                told = [by_risk[f"{risk}"][score] for risk in RISKS]
                cells = [f"{one['coverage']:.1f} ({one['risk']:.2f})" if one["found"] else "none" for one in told]
                rows.append([pack, share, SCORES[score], *cells, f"{told[0]['aurc']:.2f}", f"{told[0]['excess']:.2f}"])
    return [["pack", ">unknown, %", "score", *(f">{risk} %" for risk in RISKS), ">AURC", ">excess"], *rows]


def speed(found):
    """All that was timed."""
    return [HEADS, *(Row(**row).cells for row in timed()["rows"])]


def fast(found):
    """What the README shows of it: ratios and seconds by their name."""
    rows = {row["what"]: Row(**row) for row in timed()["rows"]}
    adapting = "ResNet-18 of width 16, batch 200, cpu"

    def told(*names):
        return " / ".join(f"{rows[name].value:#.3g}" for name in names) + f" {rows[names[0]].unit}"

    def adapted(*titles):
        return told(*(f"{adapting}: {title}" for title in titles))

    known = next(name.removesuffix(" and the pass") for name in rows if name.endswith(" detectors and the pass"))
    pages = [row for name, row in rows.items() if name.startswith("to the page")]
    slowest = max(pages, key=lambda row: row.value)
    late = sum(row.value > GOALS["change"] for row in pages)
    lines = {
        "measuring every block against the plain forward pass: ResNet-18 (CIFAR), batch 64": told("cifar_resnet18 of width 64, batch 64, cpu"),
        "the same: ResNet-56 (CIFAR), batch 64": told("cifar_resnet56, batch 64, cpu"),
        "the same: ResNet-50, batch 8 at 224 pixels": told("resnet50, batch 8, cpu"),
        f"all {known.partition('our ')[2]} of one pass on 5,000 pictures, ResNet-18 of width 32, against the plain pass": told(f"{known} and the pass"),
        "eight detectors of pytorch-ood on the same pictures, each with a pass of its own": told(known.partition("our ")[0] + "8 of pytorch-ood"),
        "one verdict of all of them, JPEG of one megapixel, bytes to decision, cifar10: p50 / p95": told(
            "cifar10: bytes to decision, p50", "cifar10: bytes to decision, p95"
        ),
        "cold start: title on screen / first verdict on screen": told("the title is on screen", "a verdict is on screen and the page is at rest"),
        "the page opened again": told("the page opened again, in a new session"),
        f"from page to page, visited before: median / slowest of {len(pages)}; {late} of them above {GOALS['change']:g} s": (
            f"{median(row.value for row in pages):.2g} / {slowest.value:.2g} s"
        ),
        "adapting to noise, ResNet-18 of width 16, batch 200, against the plain forward pass: LAME / BN-1": adapted("LAME", "BN-1 (batch statistics)"),
        "the same: BN-alpha / TENT / COME / EATA": adapted("BN-alpha (blended statistics)", "TENT", "COME", "EATA"),
        "the same: ROID / SAR / RoTTA / RMT": adapted("ROID", "SAR", "RoTTA", "RMT"),
        "the same: CoTTA, where the stream looks familiar / where it does not (32 views)": adapted("CoTTA", "CoTTA, every batch unfamiliar"),
        "the same: DPLOT / gated": adapted("DPLOT", "DPLOT, gated"),
        "corrupting a batch of 200 at 32 pixels, times faster than a NumPy loop over pictures: all 19, five severities each": told("all 19, cpu"),
        "the mean of the 19 ratios": told("mean of the 19 ratios, cpu"),
    }
    return [["measurement", ">"], *map(list, lines.items())]


def machine(found):
    """What it was timed on."""
    return [["fact", "value"], *([name, f"{value}"] for name, value in timed()["machine"].items() if value is not None)]


TABLES = {of.__name__: of for of in (verdicts, detectors, toybox, cifar10, blocks, training, calibration, promises, speed, fast, machine)}

if __name__ == "__main__":
    sys.exit(main())
