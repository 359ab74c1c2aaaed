"""An alarm comes soon after a drift and seldom without one; what it says is what its definition says."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from core.conformal import conformal_p, threshold_at
from core.errors import InputError
from core.watch.evidence import log_ratio, rate_bounds
from core.watch.watch import SHARES, Settings, Watch


def batch(ood, pictures, known):
    """Return p-values of which so many are called OOD."""
    return [1 / (known + 1)] * ood + [1.0] * (pictures - ood)


def test_pictures_called_ood_are_those_that_the_threshold_calls_ood():
    import torch

    generator = torch.Generator().manual_seed(0)
    for known, keep in ((400, 0.95), (333, 0.9), (50, 0.99), (2000, 0.8)):
        calibration, fresh = (torch.randn(n, generator=generator, dtype=torch.float64) for n in (known, 500))
        seen = Watch(Settings(known, keep=keep)).see(conformal_p(calibration, fresh).numpy())
        assert seen.ood == (fresh <= threshold_at(calibration, keep)).sum()


def test_evidence_and_the_beginning_are_those_of_the_definition():
    settings, counts = Settings(300, every=1e12), [2, 0, 3, 1, 4, 5, 3, 6, 4]
    watch, high = Watch(settings), rate_bounds(settings.rank, 300, settings.miss)[1]
    gains = np.array([log_ratio(count, 20, high, [high + (1 - high) * share for share in SHARES]) for count in counts])
    for t, count in enumerate(counts, 1):
        seen = watch.see(batch(count, 20, 300))
        sums = [gains[b:t].sum(0) for b in range(t)]  # of all starts
        assert seen.evidence == pytest.approx(np.log10(np.mean(np.exp(sums).sum(0)))) and not seen.alarm
        assert (seen.batch, seen.pictures, seen.ood) == (t, 20, count)
    alarm = Watch(replace(settings, every=10**seen.evidence * 0.999))
    seen = [alarm.see(batch(count, 20, 300)) for count in counts][-1]
    assert seen.alarm and seen.since == np.argmax([s.max() for s in sums]) + 1


def test_false_alarms_are_as_rare_as_promised_even_at_the_worst_rate():
    """Known pictures whose rate is as high as the bound allows: the mean number of batches to an alarm is at least `every`."""
    draw, settings = np.random.default_rng(0), Settings(500, keep=0.9, every=30)
    high = rate_bounds(settings.rank, 500, settings.miss)[1]
    batches, alarms, watch = 4000, 0, Watch(settings)  # it goes on after each alarm
    for count in draw.binomial(20, high, batches):
        alarms += watch.see(batch(count, 20, 500)).alarm
    assert 0 < alarms and batches / alarms >= settings.every


def test_an_alarm_comes_within_a_few_batches_of_a_drift_and_is_dated_back():
    draw, known, delays, dated, early = np.random.default_rng(0), 1000, [], [], 0
    for _ in range(20):
        calibration, watch = np.sort(draw.normal(size=known)), Watch(Settings(known))
        for t in range(1, 60):
            scores = draw.normal(size=50)
            scores[: 15 * (t > 20)] -= 4  # from batch 21 on, 30 % are unknown
            seen = watch.see((1 + np.searchsorted(calibration, scores, side="right")) / (known + 1))
            if seen.alarm:
                break
        early += t <= 20
        delays.append(t - 20)
        dated.append(seen.since)
    assert early == 0 and max(delays) <= 4 and np.median(np.abs(np.array(dated) - 21)) == 0


def test_after_an_alarm_it_begins_anew_and_goes_on():
    watch = Watch(Settings(300, every=100))
    first, second = watch.see(batch(20, 20, 300)), watch.see(batch(20, 20, 300))
    assert first.alarm and second.alarm and first.evidence == second.evidence and (first.since, second.since) == (1, 2)
    quiet = watch.see(batch(0, 20, 300))
    assert not quiet.alarm and quiet.since is None and quiet.batch == 3


def test_a_watch_goes_on_from_its_state():
    draw, settings = np.random.default_rng(0), Settings(300, every=50)
    batches = [batch(int(c), 20, 300) for c in draw.binomial(20, 0.12, 30)]
    whole = Watch(settings)
    expected = [whole.see(b) for b in batches]
    first = Watch(settings)
    begun = [first.see(b) for b in batches[:13]]
    second = Watch(settings, first.state)
    assert begun + [second.see(b) for b in batches[13:]] == expected


def test_batches_of_all_known_or_all_unknown_pictures_and_of_one():
    watch = Watch(Settings(200))
    for p_values in ([1.0] * 500, [1 / 201] * 500, [0.6 + 0.4], [10 / 201]):
        seen = watch.see(p_values)
        assert all(np.isfinite(v) for v in asdict(seen).values() if isinstance(v, float)) and 0 <= seen.share_low <= seen.share <= seen.share_high <= 1
        assert seen.pictures == len(p_values) == len(seen.p_values)


@pytest.mark.parametrize("p_values", [[], [0.0], [1.1], [float("nan")], [0.5, 0.123456], [[0.5]]])
def test_what_is_no_p_value_is_refused(p_values):
    with pytest.raises(InputError, match="no p-values against 199 held-out pictures"):
        Watch(Settings(199)).see(p_values)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"known": 1}, "too few"), ({"known": 9, "every": 1}, "no rare alarm"), ({"known": 9, "fdr": 10}, "The fdr of a watch is 10; give a fraction")],
)
def test_settings_are_checked(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        Settings(**settings)
