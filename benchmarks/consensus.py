"""Which detectors should the consensus ask, and how should it combine them? Chosen without any OOD picture, then held against real ones.

    python -m benchmarks.consensus --data DATA --network cifar10 --network cifar_resnet56=DATA/checkpoints/akamaster_resnet56.safetensors

For every network each one-pass detector's p-values are measured once. Members are then added one at a time, for each rule, as long
as fewer pseudo-OOD pictures pass (mean FPR@95TPR over `CRITERION` and over the networks). Only after that is written down
are the real sets looked at. Puzzles are not in the criterion: one of the candidates is fitted on them.
"""

import argparse
import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kstest

from core.conformal import conformal_p, left_out_p
from core.detectors import ONE_PASS
from core.detectors.consensus import MEMBERS, RULES
from core.images.preprocess import Preprocessing
from core.images.sources import open_source, read
from core.metrics import auroc_columns, fpr
from core.networks import build
from core.packs import load_pack
from core.packs.build import make_reference
from core.probe import probe_all
from core.pseudo import KINDS
from core.verdict import Judge

CRITERION = ("blends", "patchworks", "close_ups", "noise", "negatives")
CANDIDATES = tuple(name for name in ONE_PASS if name != "consensus")
AT_MOST = 6  # members: each costs a score and must be read by a person
SEED = 0


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.consensus", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the CIFAR-10 and OOD Parquet files")
    parser.add_argument("--network", action="append", required=True, help="a pack's name or folder, or ARCH=WEIGHTS")
    parser.add_argument("--cache", type=Path, default=Path("build/consensus"), help="folder for measured p-values (default build/consensus)")
    parser.add_argument("--out", type=Path, default=Path("docs/consensus.json"))
    options = parser.parse_args(arguments)
    names = [_name(spec) for spec in options.network]
    for spec, name in zip(options.network, names, strict=True):
        _cached(options.cache / f"{name}-pseudo.npz", lambda spec=spec: pseudo_p(spec, options.data))
    pseudo = {name: _load(options.cache / f"{name}-pseudo.npz") for name in names}
    found = {"networks": names, "criterion": CRITERION, "together": choose(pseudo), "alone": {name: choose({name: pseudo[name]}) for name in names}}
    found["shipped"] = {"members": MEMBERS, "rule": "fisher", "pseudo_fpr95": round(100 * _mean_fpr(pseudo, MEMBERS, "fisher"), 2)}
    print(json.dumps(found, indent=1), flush=True)  # written down before any real OOD picture is measured
    for spec, name in zip(options.network, names, strict=True):
        _cached(options.cache / f"{name}-real.npz", lambda spec=spec: real_p(spec, options.data))
    found["real"] = {name: judge(_load(options.cache / f"{name}-real.npz"), found, name) for name in names}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found) + "\n", "utf-8")
    print(report(found))
    return 0


def report(found):
    """Return what docs/consensus.md says, as Markdown."""
    names, together, shipped = found["networks"], found["together"], found["shipped"]
    lines = [
        "Made by `python -m benchmarks.consensus`; the numbers are in `consensus.json`. All figures are FPR@95TPR in %, ID positive (the share of",
        "unknown pictures that pass where the recall of known ones is nearest to 95 %; lower is better), with mean AUROC behind the stroke.",
        "Known pictures: 2,000 of the CIFAR-10 test split. Unknown: up to 600 of each of ten sets. All inputs went through the same JPEG (quality 75).",
        "The akamaster networks were trained on pictures without JPEG loss, so their known pictures are a little foreign to them (about 84 % accuracy).",
        "",
        "## Chosen on pseudo-OOD alone",
        "",
        f"Criterion: mean FPR@95TPR on {', '.join(found['criterion'])} of held-out known pictures. Puzzles are left out: one candidate is fitted on them.",
        "Members are added one at a time, at most six. No real OOD picture is read before the choice is written down.",
        "",
        "| on | rule | members, in the order they were added | pseudo-OOD that passes, % |",
        "| --- | --- | --- | --- |",
        f"| all four networks | {together['rule']} | {', '.join(together['members'])} | {together['pseudo_fpr95']} |",
        *(f"| {n} alone | {a['rule']} | {', '.join(a['members'])} | {a['pseudo_fpr95']} |" for n, a in found["alone"].items()),
        f"| as shipped, on all four | {shipped['rule']} | {', '.join(shipped['members'])} | {shipped['pseudo_fpr95']} |",
        "",
        "By rule, on all four networks: " + "; ".join(f"{rule} {path[-1][1]}" for rule, path in together["paths"].items()) + ".",
        "",
        "## Held against real sets",
        "",
        f"| who decides | {' | '.join(names)} |",
        f"| --- |{' --- |' * len(names)}",
    ]
    rows = list(dict.fromkeys(row for n in names for row in found["real"][n]["rows"]))
    for row in rows:
        each = (found["real"][n]["rows"].get(row) for n in names)
        lines.append(f"| {row} | {' | '.join('-' if r is None else '{mean:.1f} / {auroc:.1f}'.format(**r) for r in each)} |")
    lines += ["", "## Best single detector, and what is left of its error", ""]
    lines += ["| network | best single | its mean | shipped | share | pseudo-chosen | share |", f"|{' --- |' * 7}"]
    for n in names:
        table = found["real"][n]["rows"]
        best = min((c for c in CANDIDATES if c in table), key=lambda c: table[c]["mean"])
        mine, chosen = table["consensus, as shipped"]["mean"], table["consensus, chosen on all networks"]["mean"]
        base = table[best]["mean"]
        lines.append(f"| {n} | {best} | {base:.1f} | {mine:.1f} | {mine / base:.2f} | {chosen:.1f} | {chosen / base:.2f} |")
    lines += ["", "## Is the p-value one?", ""]
    lines += ["Share of known test pictures with a p-value of at most a, by the shipped consensus; uniform would be a. KS: largest distance from that.", ""]
    heads = [key for key in found["real"][names[0]]["p_value"] if key.startswith("share")]
    lines += [f"| network | {' | '.join(h.removeprefix('share at most ') for h in heads)} | KS | n |", f"| --- |{' --- |' * (len(heads) + 2)}"]
    lines += [f"| {n} | {' | '.join(str(found['real'][n]['p_value'][h]) for h in heads + ['ks', 'n'])} |" for n in names]
    return "\n".join(lines)


def choose(measured):
    """Add members one at a time. Args: {network: {set: (N, candidates) p-values}}. Returns: the best, and the path of each rule."""
    paths = {}
    for rule in RULES:
        members, best, path = [], np.inf, []
        while len(members) < AT_MOST:
            tried = {c: _mean_fpr(measured, [*members, c], rule) for c in _usable(measured) if c not in members}
            chosen = min(tried, key=tried.get)
            if tried[chosen] >= best:
                break
            members, best = [*members, chosen], tried[chosen]
            path.append([chosen, round(100 * best, 2)])
        paths[rule] = path
    rule = min(paths, key=lambda r: paths[r][-1][1])
    return {"rule": rule, "members": [m for m, _ in paths[rule]], "pseudo_fpr95": paths[rule][-1][1], "paths": paths}


def judge(p, found, name):
    """Hold what was chosen against real sets. Returns: {who: {set: fpr95, "mean", "auroc"}} in percent, validity of the p-value."""
    sets = [key for key in p if key not in ("held_out", "known")]

    def figures(members, rule):
        known = combined(p["known"], members, rule)
        row = {s: round(100 * fpr(known, combined(p[s], members, rule)), 2) for s in sets}
        auroc = [auroc_columns(known[:, None], combined(p[s], members, rule)[:, None])[0] for s in sets]
        return {**row, "mean": round(float(np.mean(list(row.values()))), 2), "auroc": round(100 * float(np.mean(auroc)), 2)}

    usable = [c for c in CANDIDATES if not np.isnan(p["known"][:, CANDIDATES.index(c)]).any()]
    together, alone = found["together"], found["alone"][name]
    rows = {c: figures([c], "fisher") for c in usable}
    rows["consensus, chosen on all networks"] = figures(together["members"], together["rule"])
    rows["consensus, chosen on this network"] = figures(alone["members"], alone["rule"])
    rows["consensus, as shipped"] = figures(MEMBERS, "fisher")
    for rule in RULES:
        rows[f"as shipped, by {rule}"] = figures(MEMBERS, rule)
    for member in MEMBERS:
        rows[f"as shipped, without {member}"] = figures([m for m in MEMBERS if m != member], "fisher")
    for member in together["members"]:
        rows[f"chosen on all networks, without {member}"] = figures([m for m in together["members"] if m != member], together["rule"])
    held_out, known = (combined(p[s], MEMBERS, "fisher") for s in ("held_out", "known"))
    own = conformal_p(torch.from_numpy(held_out), torch.from_numpy(known)).numpy()
    validity = {f"share at most {a}": round(float((own <= a).mean()), 4) for a in (0.01, 0.05, 0.1, 0.2, 0.5)}
    return {"rows": rows, "p_value": {**validity, "ks": round(float(kstest(own, "uniform").statistic), 4), "n": len(own)}}


def combined(p, members, rule):
    return RULES[rule](torch.from_numpy(p[:, [CANDIDATES.index(m) for m in members]].T.copy())).numpy()


def pseudo_p(spec, data):
    network, preprocessing, reference = _network(spec, data)
    held_out = read(open_source(data / "cifar10_train.parquet"), preprocessing, stop=1000).images
    generator = torch.Generator().manual_seed(SEED + 1)
    images = {kind: pretend(held_out, generator=generator) for kind, pretend in KINDS.items()}
    return _p_values(network, preprocessing, reference, images)


def real_p(spec, data):
    network, preprocessing, reference = _network(spec, data)
    images = {"known": read(open_source(data / "cifar10_test.parquet"), preprocessing, stop=2000).images}
    for file in sorted((data / "ood").glob("*.parquet")):
        images[file.stem] = read(open_source(file), preprocessing, stop=600).images
    return _p_values(network, preprocessing, reference, images)


def _p_values(network, preprocessing, reference, images):
    judge = Judge(reference, CANDIDATES)
    calibration = judge.known_scores
    result = {"held_out": _columns({name: left_out_p(scores) for name, scores in calibration.items()})}
    for name, pixels in images.items():
        print(f"  {name}", file=sys.stderr, flush=True)
        scores = judge.scores(probe_all(network, pixels, preprocessing, means=(reference.middle,)))
        result[name] = _columns({d: conformal_p(calibration[d], s) for d, s in scores.items()})
    return result


def _columns(p):
    rows = len(next(iter(p.values())))
    return np.stack([p[c].numpy() if c in p else np.full(rows, np.nan) for c in CANDIDATES], 1)


@cache
def _network(spec, data):
    """Return (network, preprocessing, reference); every input goes through the JPEG that the known pictures went through."""
    arch, equals, weights = spec.partition("=")
    if equals:
        network = build.load(arch, weights)
        preprocessing = Preprocessing(32, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 75)
    else:
        pack = load_pack(spec)
        network, preprocessing = pack.network, pack.preprocessing
    source = open_source(data / "cifar10_train.parquet")
    held_out, bank = read(source, preprocessing, stop=2000), read(source, preprocessing, start=2000, stop=4000)
    return network, preprocessing, make_reference(network, preprocessing, bank, held_out, two_passes=False)[0]


def _mean_fpr(measured, members, rule):
    """Return the mean FPR@95TPR (ID positive) over pseudo-OOD kinds and networks; held-out pictures are the known ones."""
    each = []
    for p in measured.values():
        cut = np.quantile(combined(p["held_out"], members, rule), 0.05)
        each += [float((combined(p[kind], members, rule) > cut).mean()) for kind in CRITERION]
    return float(np.mean(each))


def _usable(measured):
    return [c for i, c in enumerate(CANDIDATES) if not any(np.isnan(p["held_out"][:, i]).any() for p in measured.values())]


def _cached(file, make):
    if not file.is_file():
        print(f"measuring {file.stem}", file=sys.stderr, flush=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.with_suffix(".part").open("wb") as out:
            np.savez(out, **make())
        file.with_suffix(".part").rename(file)


def _load(file):
    with np.load(file) as arrays:
        return dict(arrays)


def _name(spec):
    return spec.partition("=")[0] if "=" in spec else Path(spec).name


if __name__ == "__main__":
    sys.exit(main())
