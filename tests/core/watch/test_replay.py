"""A replayed stream holds what it says, and half of a reference judges the other half fairly."""

import numpy as np
import pytest

from core.errors import InputError
from core.watch.halves import Half
from core.watch.replay import replay
from core.watch.watch import Settings

KNOWN = np.arange(1, 401) / 401  # of 400 held-out pictures
UNKNOWN = np.arange(1, 41) / 401


def test_a_stream_mixes_as_told_and_shows_no_picture_twice():
    found = replay(KNOWN[50:], UNKNOWN, Settings(400), size=20, share=0.25, start=4)
    assert found.start == 4 and found.shares[:4] == (0, 0, 0, 0.25) and set(found.shares[3:]) == {0.25}
    assert len(found.seen) == 3 + 8  # 40 unknown pictures, five a batch
    shown = np.concatenate([s.p_values for s in found.seen])
    truth = np.concatenate(found.unknown)
    assert len(set(np.round(401 * shown[~truth]))) == (~truth).sum() and set(shown[truth]) <= set(UNKNOWN)
    flagged, right = found.flagged
    assert flagged == sum(len(s.flagged) for s in found.seen) and 0 < right <= flagged
    shares = [(~u[list(s.flagged)]).mean() if s.flagged else 0 for s, u in zip(found.seen, found.unknown, strict=True)]
    assert found.false_share == pytest.approx(np.mean(shares))
    assert found.seen == replay(KNOWN[50:], UNKNOWN, Settings(400), size=20, share=0.25, start=4).seen


def test_without_unknown_pictures_there_is_no_beginning():
    assert replay(KNOWN, UNKNOWN, Settings(400), size=20, share=0, start=2).start is None
    assert replay(KNOWN, UNKNOWN, Settings(400), size=100, share=0.5, start=9).start is None  # it never comes that far
    with pytest.raises(InputError, match="not enough pictures for one batch of 500"):
        replay(KNOWN, UNKNOWN, Settings(400), size=500, share=0, start=1)


@pytest.mark.parametrize("detector", ["consensus", "energy", "odin"])
def test_half_of_the_held_out_pictures_judges_the_other_half(clusters, detector):
    half = Half(clusters.reference, detector)
    assert half.known == len(half.fresh) == 300
    assert abs(np.sort(half.fresh) - np.arange(1, 301) / 300).max() < 1.95 * np.sqrt(2 / 300)  # Kolmogorov-Smirnov: one seed in a thousand
    assert half.p_values(clusters.shifted).mean() < 0.1
    assert (half.fresh == Half(clusters.reference, detector).fresh).all() and (half.fresh != Half(clusters.reference, detector, seed=1).fresh).any()
