"""What passes at a pack's own thresholds, which held-out pictures set: shares in docs/figures.md, and in sentences of README.md.

python -m benchmarks.thresholds [--pack PACK] [--known SRC]: whole sets, those of CIFAR-10 and its OOD sets unless told otherwise. Two minutes on one core.
"""

import sys

from benchmarks.measured import main, number, set_title
from core.detectors import DETECTORS, ONE_PASS
from core.images.sources import open_source, read
from core.packs import load_pack
from core.probe import probe_all
from core.verdict import Judge

RUNS = {"cifar10": {}}


def measure(*, pack="cifar10", known="data:cifar10_test", keep=0.95):
    """Count what each detector calls known, in %. Args: keep: the share of the held-out pictures that its threshold keeps."""
    loaded = load_pack(pack, device="cpu")
    judge = Judge(loaded.reference, ONE_PASS)
    sources = {"known": known, **{name: loaded.facts["pictures"][name]["source"] for name in loaded.reference.unknown if name != "jigsaw"}}
    counts, passes = {}, {detector: {} for detector in judge.detectors}
    for name, source in sources.items():
        pictures = read(open_source(source), loaded.preprocessing).images
        scores = judge.scores(probe_all(loaded.network, pictures, loaded.preprocessing, means=(loaded.reference.middle,)))
        counts[name] = len(pictures)
        for detector, at in judge.thresholds(keep).items():
            passes[detector][name] = 100 * (scores[detector] > at).double().mean()
    return {"held_out": len(loaded.reference.held_out.logits), "pictures": counts, "passes": passes}


def tables(runs):
    """Return the shares of every detector, the fewest unknown pictures first."""
    return {f"thresholds_{name}": list(_lines(run)) for name, run in runs.items()}


def _lines(run):
    yield ["detector", ">mean of the unknown sets", *(f">{'known' if name == 'known' else set_title(name)}, {n:,}" for name, n in run["pictures"].items())]
    for name in sorted(run["passes"], key=lambda name: mean(run["passes"][name])):
        row = run["passes"][name]
        yield [DETECTORS[name].title, number(mean(row)), *map(number, row.values())]


def mean(row):
    """Return the mean share over the unknown sets."""
    shares = [share for name, share in row.items() if name != "known"]
    return sum(shares) / len(shares)


if __name__ == "__main__":
    sys.exit(main(sys.modules[__name__]))
