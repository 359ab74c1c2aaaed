"""Replay a stream from the numbers of a pack: known pictures, and from some batch on unknown ones among them. No torch."""

from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.watch.watch import Watch


@dataclass(frozen=True)
class Replay:
    """A stream whose truth is known.

    Attributes: seen: a `Seen` for each batch; unknown: for each batch (N,) bool, which pictures are unknown; start: the batch that the drift
        begins with, None where there is none.
    """

    seen: tuple
    unknown: tuple
    start: int | None

    @property
    def flagged(self):
        """Return (how many pictures were flagged, how many of these are unknown)."""
        return sum(len(s.flagged) for s in self.seen), sum(int(u[list(s.flagged)].sum()) for s, u in zip(self.seen, self.unknown, strict=True))

    @property
    def false_share(self):
        """Return the share of known pictures among a batch's flagged ones, 0 where none is: the mean over batches, which the false discovery rate bounds."""
        wrong = ((~u[list(s.flagged)]).sum() / max(len(s.flagged), 1) for s, u in zip(self.seen, self.unknown, strict=True))
        return float(np.mean(list(wrong)))

    @property
    def shares(self):
        """Return the share of unknown pictures in each batch, fractions."""
        return tuple(float(u.mean()) for u in self.unknown)


def replay(known, unknown, settings, *, size, share, start, seed=0):
    """Watch a stream of pictures whose p-values are known, each picture at most once, until one kind runs out.

    Args: known, unknown: p-values, (N,) and (M,); settings: of the watch; size: pictures in a batch; share: of each batch from number `start` on that
        is unknown, a fraction; seed: of the order.
    Returns: `Replay`. Raises: InputError if not even one batch can be filled.
    """
    draw, watch, seen, truth = np.random.default_rng(seed), Watch(settings), [], []
    known, unknown = (list(draw.permutation(p)) for p in (known, unknown))
    while True:
        mixed = round(share * size) if len(seen) + 1 >= start else 0
        if len(known) < size - mixed or len(unknown) < mixed:
            break
        batch = np.array([known.pop() for _ in range(size - mixed)] + [unknown.pop() for _ in range(mixed)])
        order = draw.permutation(size)
        truth.append(order >= size - mixed)
        seen.append(watch.see(batch[order]))
    if not seen:
        raise InputError(f"There are not enough pictures for one batch of {size}; take smaller batches.", key="watch.few", size=size)
    return Replay(tuple(seen), tuple(truth), start if round(share * size) and len(seen) >= start else None)
