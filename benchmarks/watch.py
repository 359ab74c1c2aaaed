"""How seldom a watch raises a false alarm, how soon a true one, how right its flags and shares are: python -m benchmarks.watch [--runs N]

Simulated scores (known pictures normal, unknown ones three deviations lower) and the packs' own numbers, for the tables of
docs/watch.md; two minutes. The alarm is compared with the other e-value that a batch's p-value offers: calibrated by a mixture (Vovk & Wang,
Annals of Statistics 2021), in the same Shiryaev-Roberts sum.
"""

import math
import sys

import numpy as np

from benchmarks.measured import main, number, set_title
from core.watch.evidence import rate_bounds
from core.watch.replay import replay
from core.watch.watch import Settings, Watch

RUNS = {"simulation": {}}
SEED = 0
MOST = 400  # batches that an alarm is waited for
SHIFT = -3.0  # of unknown pictures' scores, in deviations of known ones


def p_values(calibration, scores):
    """Return the conformal p-values of scores. Args: calibration: (n,), in order."""
    return (1 + np.searchsorted(calibration, scores, side="right")) / (len(calibration) + 1)


class Calibrated:
    """The alarm that is compared with: R = (R + 1) * e with e the mixture over k of k * p ** (k - 1). Args: every: as of `Settings`."""

    def __init__(self, every):
        self._line, self._log = math.log(every), 0.0  # log(R + 1)

    def see(self, p):
        """Take a batch's p-value. Returns: whether it is an alarm."""
        p = min(max(p, 1e-300), 1 - 1e-9)
        grown = self._log + math.log((1 - p + p * math.log(p)) / (p * math.log(p) ** 2))
        self._log = 0.0 if grown >= self._line else float(np.logaddexp(grown, 0))
        return grown >= self._line


def false_alarms(draw, *, every, size, batches, known=2000):
    """Return batches to a false alarm, on average, for (the watch, the one compared with), where known pictures are as unlucky as the bound allows."""
    settings = Settings(known, every=every)
    high, watch, other, found = rate_bounds(settings.rank, known, settings.miss)[1], Watch(settings), Calibrated(every), [0, 0]
    for count in draw.binomial(size, high, batches):
        seen = watch.see([1 / (known + 1)] * int(count) + [1.0] * (size - int(count)))
        found[0] += seen.alarm
        found[1] += other.see(seen.p_value)
    return [batches / count if count else math.inf for count in found]


def delays(draw, share, *, size, runs, known=2000, most=MOST):
    """Return median batches from a drift to the alarm, for (the watch, the one compared with); `most` where there is none, or before it."""
    found = []
    for _ in range(runs):
        settings = Settings(known)
        calibration, watch, other, after = np.sort(draw.normal(size=known)), Watch(settings), Calibrated(settings.every), [most, most]
        for t in range(-20, most):
            scores = draw.normal(size=size)
            scores[: round(share * size) if t >= 0 else 0] += SHIFT
            seen = watch.see(p_values(calibration, scores))
            for k, alarm in enumerate((seen.alarm, other.see(seen.p_value))):
                if alarm and t >= 0:
                    after[k] = min(after[k], t + 1)
            if max(after) < most:
                break
        found.append(after)
    return np.median(found, axis=0)


def flags_and_shares(draw, share, *, size, runs, known=2000):
    """Return (false discovery rate, found share of unknown pictures, mean estimate of their share, coverage of low bound, of high bound, width)."""
    rows = []
    for _ in range(runs):
        calibration, scores = np.sort(draw.normal(size=known)), draw.normal(size=size)
        mixed = int((draw.random(size) < share).sum())
        scores[:mixed] += SHIFT
        seen = Watch(Settings(known)).see(p_values(calibration, scores))
        right = sum(i < mixed for i in seen.flagged)
        wrong = (len(seen.flagged) - right) / max(len(seen.flagged), 1)
        bounds = seen.share_low <= share, seen.share_high >= share, seen.share_high - seen.share_low
        rows.append((wrong, right / mixed if mixed else np.nan, seen.share, *bounds))
    return np.nanmean(np.array(rows, float), axis=0) if share else np.array([np.mean(c) for c in zip(*rows, strict=True)])


def packs(runs):
    """Yield (pack, set, batches without an alarm before the drift in all, false alarms, median batches to the alarm, false discovery rate)."""
    from core.packs import load_pack
    from core.watch.halves import Half

    for name, sets in (("toybox", ("near", "textures")), ("cifar10", ("tiny_imagenet", "textures", "mnist"))):
        reference = load_pack(name, device="cpu").reference
        for of in sets:
            rows = []
            for seed in range(runs):
                half = Half(reference, "consensus", seed=seed)
                found = replay(half.fresh, half.p_values(reference.unknown[of]), Settings(half.known), size=50, share=0.2, start=8, seed=seed)
                alarms = [s.batch for s in found.seen if s.alarm]
                after = [b for b in alarms if b >= 8]
                rows.append((7, sum(b < 8 for b in alarms), after[0] - 7 if after else len(found.seen), found.false_share))
            quiet, early, after, wrong = zip(*rows, strict=True)
            yield name, of, sum(quiet), sum(early), np.median(after), np.mean(wrong)


def measure(*, runs=200):
    """Simulate, and replay the packs' own numbers. Args: runs: of each simulation; of a delay a fifth, of a pack a tenth, of flags 25 times as many."""
    draw = np.random.default_rng(SEED)
    alarms = [(every, size, *false_alarms(draw, every=every, size=size, batches=200 * runs)) for every, size in ((50, 20), (50, 100), (200, 100))]
    mixed = ((0.02, 100), (0.05, 100), (0.1, 100), (0.3, 100), (0.1, 20), (0.3, 20))
    late = [(100 * share, size, *delays(draw, share, size=size, runs=max(runs // 5, 1), most=MOST)) for share, size in mixed]
    flags = [(100 * share, *(100 * flags_and_shares(draw, share, size=100, runs=25 * runs))) for share in (0, 0.05, 0.2, 0.5)]
    return {"seed": SEED, "known": 2000, "false_alarms": alarms, "delays": late, "flags": flags, "packs": list(packs(max(runs // 10, 1)))}


def tables(runs):
    """Return the four tables."""
    if not runs:
        return {}
    (run,) = runs.values()
    late = [[f"{share:g}", f"{size}", f"{ours:g}", f"more than {MOST}" if other >= MOST else f"{other:g}"] for share, size, ours, other in run["delays"]]
    flags = [[f"{share:g}", number(wrong), "" if found is None else number(found, 0), *map(number, rest)] for share, wrong, found, *rest in run["flags"]]
    replayed = [[name, set_title(of), f"{quiet}", f"{early}", f"{after:g}", number(100 * wrong)] for name, of, quiet, early, after, wrong in run["packs"]]
    share = [">unknown, %", ">false discoveries, %", ">unknown ones flagged, %", ">estimate, %", ">lower bound holds, %", ">upper bound holds, %", ">width"]
    return {
        "watch_alarms": [
            [">A", ">batch", ">batches to a false alarm", ">calibrated"],
            *([f"{every}", f"{size}", *("none" if n is None else f"{n:,.0f}" for n in between)] for every, size, *between in run["false_alarms"]),
        ],
        "watch_delays": [[">unknown, %", ">batch", ">batches to the alarm", ">calibrated"], *late],
        "watch_flags": [share, *flags],
        "watch_packs": [
            ["pack", "set", ">batches before the drift", ">false alarms", ">median batches to the alarm", ">false discoveries, %"],
            *replayed,
        ],
    }


if __name__ == "__main__":
    sys.exit(main(sys.modules[__name__]))
